"""
What can go wrong while evaluating.

EvalError
├── InvalidSet        a set of questions cannot be read
├── OtherRun          a file of answers belongs to another run than the one that should go on
└── NothingToCompare  two files have no question in common
"""


class EvalError(Exception):
    """The root of this room's errors."""


class InvalidSet(EvalError):
    """A set of questions, or a file of answers, cannot be read; the message names it and the line."""


class OtherRun(EvalError):
    """A file of answers was begun with other questions, another model or other settings."""


class NothingToCompare(EvalError):
    """Two files of answers have no question in common."""
