"""
What can go wrong while evaluating.

EvalError
├── InvalidSet        a set of questions, or a file of a run, cannot be read
├── OtherRun          a file belongs to another run than the one that should go on
├── NothingToCompare  two files have no question in common
├── UnfitChain        a chain does not say what is to be measured
├── TooFewLabels      there are not enough labelled questions to learn from
└── PlotUnavailable   what draws is not installed
"""


class EvalError(Exception):
    """The root of this room's errors."""


class InvalidSet(EvalError):
    """A set of questions, or what a run found, cannot be read; the message names it and the line."""


class OtherRun(EvalError):
    """A file was begun with other questions, another model or other settings."""


class NothingToCompare(EvalError):
    """Two files have no question in common, or are not of the same command."""


class UnfitChain(EvalError):
    """A chain's output has no sources or no confidence; the message says which chains do."""


class TooFewLabels(EvalError):
    """A fit would mean nothing; the message says how many questions it takes."""


class PlotUnavailable(EvalError):
    """The plotting library is not installed; the message says how it is."""
