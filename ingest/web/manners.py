"""Requests to other people's servers, one after the other, at the pace that they ask for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from ingest.web.addresses import Address, Origin
from ingest.web.client import Client, Reply
from ingest.web.errors import OutOfTime
from ingest.web.limits import CrawlLimits

_BUSY = (429, 503)
_UNTOLD_S = 5.0
"""For a server that is busy and does not say for how long."""


@dataclass(slots=True)
class Visitor:
    """`ends` is when the crawl has to be over, on the client's clock."""

    client: Client
    limits: CrawlLimits
    sleep: Callable[[float], None]
    ends: float
    delays: dict[Origin, float] = field(default_factory=dict)
    """What robots.txt asks for, by site."""
    _last: float | None = None

    @contextmanager
    def get(self, address: Address) -> Iterator[Reply]:
        """
        The answer, or that of a later try where the server is busy; its turn is waited for.

        Raises:
            OutOfTime: the turn comes after the crawl's end.
            WebError: as `Client.get`.
        """
        for tries_left in range(self.limits.retries, -1, -1):
            self._wait_for_turn(address.origin)
            with self._asking(address) as reply:
                wait_s = _busy_for(reply)
                if wait_s is None or not tries_left or wait_s > self.limits.retry_after_s or not self._has(wait_s):
                    yield reply
                    return
            self.sleep(wait_s)

    @contextmanager
    def _asking(self, address: Address) -> Iterator[Reply]:
        try:
            with self.client.get(address, until=self.ends) as reply:
                yield reply
        finally:
            self._last = self.client.clock()

    def _wait_for_turn(self, origin: Origin) -> None:
        delay_s = max(self.limits.delay_s, self.delays.get(origin, 0.0))
        now = self.client.clock()
        wait_s = 0.0 if self._last is None else max(0.0, self._last + delay_s - now)
        if not self._has(wait_s):
            raise OutOfTime(f"the {self.limits.seconds:,.0f} s of the crawl are over")
        if wait_s:
            self.sleep(wait_s)

    def _has(self, wait_s: float) -> bool:
        return self.client.clock() + wait_s < self.ends


def _busy_for(reply: Reply) -> float | None:
    """Seconds, or None where the server is not busy."""
    if reply.status not in _BUSY:
        return None
    told = reply.header("retry-after").strip()
    if told.isdecimal():
        return float(told[:9])
    until, now = _moment(told), _moment(reply.header("date"))
    return max(0.0, (until - now).total_seconds()) if until and now else _UNTOLD_S


def _moment(date: str) -> datetime | None:
    """By the server's own clock, which may be wrong as it likes."""
    try:
        moment = parsedate_to_datetime(date)
    except (ValueError, OverflowError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
