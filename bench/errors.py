"""
What can go wrong while measuring.

BenchError
├── UsageError       what was asked for cannot be done as it was asked: exit code 2
│   ├── InvalidConfig    a configuration has unknown keys or impossible values
│   ├── InvalidDataset   prompts or questions that it names cannot be read
│   └── InvalidRun       a folder is no run's, or another run's
├── MissingTool      something that this measurement needs is not installed
├── EngineNotReady   an engine that is to be measured did not start
├── EngineEnded      it ended while it was measured
├── NotScored        answers could not be scored
├── NotWritten       what was measured, or its report, could not be written
├── Stopped          a run was stopped before anything was measured
└── TargetError      one request was not answered; it is counted, and the run goes on
    ├── TargetRefused    with a status that says so
    └── TargetUnreachable   because there was no connection, or it broke
"""


class BenchError(Exception):
    """The root of this room's errors."""


class UsageError(BenchError):
    """What was asked for cannot be done as it was asked; commands exit with 2."""


class InvalidConfig(UsageError):
    """A configuration cannot be used; the message names the file, the key, and what may stand there."""


class InvalidDataset(UsageError):
    """Prompts or questions cannot be read; the message names the file, and the line where it is one."""


class InvalidRun(UsageError):
    """A folder does not hold a run of the report, or not the one that should go on."""


class MissingTool(BenchError):
    """Something that this measurement needs is not installed; the message says how to get it."""


class EngineNotReady(BenchError):
    """An engine did not start; the message ends with the last lines of its log."""


class EngineEnded(BenchError):
    """An engine ended while it was measured."""


class NotScored(BenchError):
    """Answers could not be scored; the message ends with the last lines of what should have done it."""


class NotWritten(BenchError):
    """A file of a run could not be written; the message says which, why, and what is still there."""


class Stopped(BenchError):
    """A run was stopped before anything was measured."""


class TargetError(BenchError):
    """A request was not answered, or not to its end."""


class TargetRefused(TargetError):
    """The server answered with an HTTP status that is none of success."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"HTTP {status}: {text}")
        self.status = status


class TargetUnreachable(TargetError):
    """There was no connection to the server, or it broke."""
