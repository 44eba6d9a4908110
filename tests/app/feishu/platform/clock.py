"""A clock that tests can put forward."""

from __future__ import annotations

import time


class Clock:
    """The real time, and what was added to it."""

    def __init__(self) -> None:
        self._ahead_s = 0.0

    def now(self) -> float:
        """Seconds since the epoch."""
        return time.time() + self._ahead_s

    def now_ms(self) -> int:
        return int(self.now() * 1000)

    def advance(self, seconds: float) -> None:
        self._ahead_s += seconds
