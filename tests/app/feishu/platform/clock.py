"""A clock that tests can put forward."""

from __future__ import annotations

import time


class Clock:
    """The real time, and what was added to it; it can be stopped."""

    def __init__(self) -> None:
        self._ahead_s = 0.0
        self._stopped_at: float | None = None

    def now(self) -> float:
        """Seconds since the epoch."""
        return (time.time() if self._stopped_at is None else self._stopped_at) + self._ahead_s

    def now_ms(self) -> int:
        return int(self.now() * 1000)

    def advance(self, seconds: float) -> None:
        self._ahead_s += seconds

    def stop(self) -> None:
        """From now on only `advance` moves it, so that a slow machine changes nothing about rates."""
        self._stopped_at = time.time()
