"""The answers that are being made now, so that whoever asked can stop them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager


class RunningAnswers:
    """One for an application; an answer is known by who asked, and in which session."""

    def __init__(self) -> None:
        self._stops: dict[tuple[str, str], set[asyncio.Event]] = {}

    def stop(self, caller: str, session_id: str) -> int:
        """End the caller's answers of this session where they are; says how many there were."""
        stops = self._stops.get((caller, session_id), set())
        for stop in stops:
            stop.set()
        return len(stops)

    @contextmanager
    def one(self, caller: str, session_id: str) -> Iterator[asyncio.Event]:
        """While this is open an answer is made; the event is set when it should end."""
        key, stop = (caller, session_id), asyncio.Event()
        self._stops.setdefault(key, set()).add(stop)
        try:
            yield stop
        finally:
            self._stops[key].discard(stop)
            if not self._stops[key]:
                del self._stops[key]
