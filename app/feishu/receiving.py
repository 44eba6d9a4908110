"""What stands behind the doors that events come through."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from app.feishu.deliveries import Keys


class Receiver(Protocol):
    """Takes events that are proven to be Feishu's."""

    async def receive(self, payload: dict[str, Any]) -> dict[str, Any]:
        """
        Keep the event, and say what Feishu is answered: `{}`, or for a click also `{"toast": …}`.

        Feishu sends an event again when it does not like the answer, and sometimes without a reason: it has to be
        known again by its `event_id`.

        Raises:
            InboxUnavailable: it could not be kept.
        """


class Allowance:
    """So many times at once, and so many a second after that; it never waits."""

    def __init__(self, *, at_once: int, per_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._at_once = at_once
        self._per_s = per_s
        self._clock = clock
        self._left = float(at_once)
        self._counted_at = clock()

    def take(self) -> bool:
        """Whether once more is allowed; if so, it is counted."""
        now = self._clock()
        self._left = min(self._at_once, self._left + (now - self._counted_at) * self._per_s)
        self._counted_at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


def _challenges() -> Allowance:
    # a challenge comes when somebody saves the webhook's address in the console; whoever asks more often is guessing
    return Allowance(at_once=10, per_s=0.1)


@dataclass(frozen=True, slots=True)
class FeishuDoor:
    """
    The webhook's side of Feishu.

    `counted` is told the outcome of every request: `accepted`, `challenge`, `not_authentic`, `too_large` or
    `unavailable`. `clock` is the time of day in seconds, which signatures are compared with.
    """

    keys: Keys
    receiver: Receiver
    counted: Callable[[str], None]
    clock: Callable[[], float] = time.time
    challenges: Allowance = field(default_factory=_challenges)
