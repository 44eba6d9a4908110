"""
What can go wrong while measuring.

BenchError
├── MissingTool      something that this measurement needs is not installed
├── EngineNotReady   an engine that is to be measured did not start
├── EngineEnded      it ended while it was measured
└── TargetError      one request was not answered; it is counted, and the run goes on
"""


class BenchError(Exception):
    """The root of this room's errors."""


class MissingTool(BenchError):
    """Something that this measurement needs is not installed; the message says how to get it."""


class EngineNotReady(BenchError):
    """An engine did not start; the message ends with the last lines of its log."""


class EngineEnded(BenchError):
    """An engine ended while it was measured."""


class TargetError(BenchError):
    """A request was not answered, or not to its end."""
