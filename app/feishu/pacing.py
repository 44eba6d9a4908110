"""
No more calls than Feishu wants: calls wait in line, where the chat, the card or the API has had its share.

Counted over any stretch of time, and not by buckets that fill up: a full bucket and what drips into it would be up to
twice the rate within a second.
"""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

_MARGIN = 1.05
"""Calls may come closer together at Feishu than they were sent."""
_KEPT = 1000
"""Lines; a busy company has many chats, and each is only of interest for seconds."""


@dataclass(frozen=True, slots=True)
class Rate:
    """So many calls within so many seconds."""

    calls: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Place:
    """Something that takes only so many calls."""

    key: str
    rates: tuple[Rate, ...]


_USUAL = (Rate(50, 1.0), Rate(1000, 60.0))
_DOCUMENTS = (Rate(5, 1.0), Rate(300, 60.0))
_NODES = (Rate(50, 1.0), Rate(100, 60.0))


def chat(chat_id: str) -> Place:
    """All bots of a chat together may write five messages a second."""
    return Place(f"chat {chat_id}", (Rate(5, 1.0),))


def card(card_id: str) -> Place:
    return Place(f"card {card_id}", (Rate(10, 1.0),))


def api(method: str, path: str) -> Place:
    """An API, whatever the ids in its path; the app's calls of it are counted together."""
    key = f"{method} {'/'.join('{}' if _is_id(part) else part for part in path.split('/'))}"
    if key.startswith(("GET /open-apis/docx/", "GET /open-apis/drive/")):
        return Place(key, _DOCUMENTS)
    return Place(key, _NODES if key == "GET /open-apis/wiki/v2/spaces/{}/nodes" else _USUAL)


def _is_id(part: str) -> bool:
    return len(part) > 24 or (any(character.isdigit() for character in part) and not re.fullmatch(r"v\d", part))


class Pacing:
    """Lets calls pass; `clock` and `sleep` are in seconds."""

    def __init__(self, *, clock: Callable[[], float], sleep: Callable[[float], Awaitable[None]]) -> None:
        self._clock = clock
        self._sleep = sleep
        self._lines: dict[str, _Line] = {}
        self._most_lines = _KEPT

    async def turn(self, places: Sequence[Place]) -> None:
        """
        Waits until each place has room, and counts a call; whoever came first is first.

        Give the places always in the same order, the narrow ones first: then nobody waits for a chat while others wait
        for him.
        """
        async with AsyncExitStack() as held:
            lines = []
            for place in places:
                line = self._line(place)
                await held.enter_async_context(line.lock)
                while (wait_s := line.free_at() - self._clock()) > 0:
                    await self._sleep(wait_s)
                lines.append(line)
            for line in lines:
                line.count(self._clock())

    def hold(self, place: Place, seconds: float) -> None:
        """Nobody passes here for this long, or for as long as was said before."""
        line = self._line(place)
        line.held_until = max(line.held_until, self._clock() + seconds)

    def _line(self, place: Place) -> _Line:
        if place.key not in self._lines:
            if len(self._lines) >= self._most_lines:
                self._forget()
            self._lines[place.key] = _Line(place.rates)
        return self._lines[place.key]

    def _forget(self) -> None:
        """Lines in which nobody waits, and nobody would have to."""
        now = self._clock()
        self._lines = {key: line for key, line in self._lines.items() if line.lock.locked() or not line.is_old(now)}
        # while most are in use it is not looked for with every new one
        self._most_lines = max(_KEPT, 2 * len(self._lines))


@dataclass(slots=True)
class _Line:
    rates: tuple[Rate, ...]
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    held_until: float = float("-inf")
    counted: deque[float] = field(default_factory=deque)
    """When calls passed, the last ones, as many as the largest rate has."""

    def free_at(self) -> float:
        """From when on the next call may pass."""
        waits = [
            self.counted[-rate.calls] + rate.seconds * _MARGIN for rate in self.rates if len(self.counted) >= rate.calls
        ]
        return max([self.held_until, *waits])

    def count(self, now: float) -> None:
        self.counted.append(now)
        while len(self.counted) > max(rate.calls for rate in self.rates):
            self.counted.popleft()

    def is_old(self, now: float) -> bool:
        last = self.counted[-1] if self.counted else float("-inf")
        return max(last + max(rate.seconds for rate in self.rates) * _MARGIN, self.held_until) < now
