"""
What can go wrong between a question and its answer.

ChainError
├── InvalidInput      empty, too long, or not of the chain's input model
├── UnknownChain      no chain of this name
└── InvalidChain      a chain that was named in the settings or by a package cannot be used
"""


class ChainError(Exception):
    """The root of this room's errors."""


class InvalidInput(ChainError):
    """The input is empty, too long, or not what the chain takes."""


class UnknownChain(ChainError):
    """There is no chain of this name."""


class InvalidChain(ChainError):
    """A chain from the settings or from a package cannot be loaded; the message names it."""
