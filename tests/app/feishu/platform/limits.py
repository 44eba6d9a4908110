"""How much the platform takes, and what it remembers having done."""

from __future__ import annotations

import threading
from collections import defaultdict, deque
from dataclasses import dataclass
from typing import Generic, TypeVar

from tests.app.feishu.platform.clock import Clock

T = TypeVar("T")

UUID_LIFE_S = 3600.0


@dataclass(slots=True)
class Limits:
    """Tests may change them; None switches a rate off."""

    chat_qps: int | None = 5
    message_patch_qps: int | None = 5
    card_ops: int | None = 10
    api_qps: int | None = 50
    api_per_minute: int | None = 1000
    own_rates: bool = True
    """What some APIs allow less: documents 5/s, files 5/s, folders 20/s, wikis 100/min."""
    text_bytes: int = 150 * 1024
    card_bytes: int = 30 * 1024
    card_elements: int = 200
    card_tables: int = 5
    image_bytes: int = 10 * 1024 * 1024
    resource_bytes: int = 100 * 1024 * 1024


class Rates:
    """Counts within any stretch of time, not by calendar seconds: the stricter reading of "5 per second"."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._taken: dict[str, deque[float]] = defaultdict(deque)

    def wait_s(self, key: str, limit: int | None, seconds: float = 1.0) -> float:
        """0 and it is counted; else after how many seconds there is room."""
        if limit is None:
            return 0.0
        now, taken = self._clock.now(), self._taken[key]
        while taken and taken[0] <= now - seconds:
            taken.popleft()
        if len(taken) >= limit:
            return taken[0] + seconds - now
        taken.append(now)
        return 0.0


class Once(Generic[T]):
    """What was done under a uuid, for an hour."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._done: dict[str, tuple[float, T]] = {}
        self._lock = threading.Lock()

    def get(self, uuid: str) -> T | None:
        with self._lock:
            at, value = self._done.get(uuid, (float("-inf"), None))
        return value if uuid and self._clock.now() - at < UUID_LIFE_S else None

    def put(self, uuid: str, value: T) -> None:
        if uuid:
            with self._lock:
                self._done[uuid] = (self._clock.now(), value)
