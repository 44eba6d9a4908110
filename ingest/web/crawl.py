"""From an address to the pages that it leads to, breadth first, each once."""

from __future__ import annotations

import ssl
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import httpx

from ingest.documents import LeftOut, Progress, Refused
from ingest.errors import DocumentError, UnsupportedDocument
from ingest.web.addresses import Address, address_of
from ingest.web.client import USER_AGENT, Client
from ingest.web.errors import Disallowed, Elsewhere, Gone, OutOfTime
from ingest.web.guard import WEB_PORTS, AllowedPrivate, Guard, Resolver, resolve
from ingest.web.limits import CrawlLimits
from ingest.web.manners import Visitor
from ingest.web.pages import Outcome
from ingest.web.permission import Permissions
from ingest.web.visit import Guide, SeenBefore

_NOT_FOR_US = (Disallowed, Elsewhere, Gone, UnsupportedDocument)


def crawl(
    start: str,
    *,
    limits: CrawlLimits,
    progress: Progress,
    allowed_private: frozenset[str] = frozenset(),
    user_agent: str = USER_AGENT,
    resolver: Resolver = resolve,
    tls: ssl.SSLContext | None = None,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Crawl:
    """
    The pages of one site, from a start page on: iterate over it, then look at `partial`.

    Nothing is fetched before the first page is asked for, and one page is held at a time. `allowed_private` are hosts
    and networks inside the private network that may be asked all the same. The pages of one crawl are fetched one
    after the other, with `limits.delay_s` between them.

    Raises:
        InvalidAddress: `start` is no web address.
        ValueError: an entry of `allowed_private` is none.
    """
    address = address_of(start, max_characters=limits.url_characters)
    guard = Guard(AllowedPrivate.of(allowed_private), WEB_PORTS | {address.port}, resolver)
    client = Client(guard, limits, tls or httpx.create_ssl_context(), clock, user_agent)
    return Crawl(address, client=client, limits=limits, progress=progress, sleep=sleep)


class Crawl(Iterator[Outcome]):
    """Pages, and what has been refused, as they come."""

    def __init__(
        self,
        start: Address,
        *,
        client: Client,
        limits: CrawlLimits,
        progress: Progress,
        sleep: Callable[[float], None],
    ) -> None:
        self._start = start
        self._client = client
        self._limits = limits
        self._progress = progress
        self._sleep = sleep
        self._has_failed = False
        self._is_over = False
        self._pages = self._run()

    @property
    def root(self) -> str:
        """The start page's key, before any redirect: what the crawl is of."""
        return str(self._start)

    @property
    def partial(self) -> bool:
        """
        Whether there may be pages that the crawl has not come to, so that one that is missing may still exist.

        True until the crawl has been iterated to its end. Pages that are left out (`LeftOut`) are not missing.
        """
        return self._has_failed or not self._is_over

    def __iter__(self) -> Iterator[Outcome]:
        return self

    def __next__(self) -> Outcome:
        outcome = next(self._pages)
        if isinstance(outcome, Refused) and not isinstance(outcome, LeftOut):
            self._has_failed = True
        return outcome

    def _run(self) -> Iterator[Outcome]:
        visitor = Visitor(self._client, self._limits, self._sleep, ends=self._client.clock() + self._limits.seconds)
        guide = Guide(visitor, Permissions(visitor), self._limits)
        line = _Line(self._limits.pages, deque([(self._start, 0)]), {self._start})
        try:
            while line.waiting:
                yield from self._turn(guide, line)
        except OutOfTime as error:
            line.why_cut = str(error)
        if line.why_cut:
            yield self._rest(line.why_cut)
        self._progress("", line.turns, line.turns)
        self._is_over = True

    def _turn(self, guide: Guide, line: _Line) -> Iterator[Outcome]:
        address, depth = line.waiting.popleft()
        if address in guide.done:
            return
        self._progress(address.readable, line.turns, line.turns + 1 + len(line.waiting))
        line.turns += 1
        try:
            visit = guide.visit(address, may_move=depth == 0)
        except OutOfTime:
            raise
        except DocumentError as error:
            is_ours = depth == 0 or not isinstance(error, _NOT_FOR_US)
            yield (Refused if is_ours else LeftOut)(address.readable, str(error))
            return
        if isinstance(visit, SeenBefore):
            return
        yield _asked_for(visit.outcome) if depth == 0 else visit.outcome
        if depth < self._limits.depth:
            yield from visit.unfollowed
            line.add((link for link in visit.links if link not in guide.done), depth + 1)

    def _rest(self, why: str) -> Refused:
        start = self._start.readable
        return Refused(f"{start}, the rest", f"{why}: the other pages that {start} leads to are not fetched")


@dataclass(slots=True)
class _Line:
    """The pages whose turn is to come: never more than may have one."""

    pages: int
    waiting: deque[tuple[Address, int]]
    known: set[Address]
    turns: int = 0
    why_cut: str = ""

    def add(self, links: Iterable[Address], depth: int) -> None:
        for link in links:
            if link in self.known:
                continue
            if self.turns + len(self.waiting) >= self.pages:
                self.why_cut = f"the limit of {self.pages:,} pages is reached"
                return
            self.known.add(link)
            self.waiting.append((link, depth))


def _asked_for(outcome: Outcome) -> Outcome:
    return Refused(outcome.path, outcome.reason) if isinstance(outcome, LeftOut) else outcome
