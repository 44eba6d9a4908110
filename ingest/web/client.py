"""One request and its answer."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import httpcore

from ingest.web.addresses import Address
from ingest.web.body import ACCEPTED, read_body, too_large
from ingest.web.errors import TooSlow, Unreachable
from ingest.web.guard import Guard
from ingest.web.limits import CrawlLimits
from ingest.web.wire import Deadline, GuardedNetwork

PRODUCT = "larkwise"
"""What sites call us by in robots.txt."""
USER_AGENT = f"{PRODUCT}/0.1 (a private knowledge assistant; robots.txt names it {PRODUCT})"


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer whose body has not been read; of use while its connection is open."""

    address: Address
    status: int
    headers: tuple[tuple[str, str], ...]
    """Names in small letters."""
    chunks: Iterable[bytes]

    def header(self, name: str) -> str:
        """The first of this name; empty where there is none."""
        return next((value for key, value in self.headers if key == name), "")

    def read(self, *, max_bytes: int, cut: bool = False) -> bytes:
        """
        The body, unpacked; with `cut`, the beginning of one that is too long.

        Raises:
            DocumentTooLarge: it is longer than `max_bytes`.
            Unreachable, TooSlow: it does not come whole.
        """
        length = self.header("content-length")
        if not cut and length.isdecimal() and int(length[:20]) > max_bytes:
            raise too_large(self.address.readable, max_bytes)
        encoding = self.header("content-encoding").strip().lower()
        return read_body(self.chunks, encoding, self.address.readable, max_bytes=max_bytes, cut=cut)


@dataclass(frozen=True, slots=True)
class Client:
    """
    A connection for each request: none is ever older than the check of its address, or left by a server that has
    closed it meanwhile.

    The environment's proxies are not used: a proxy resolves the name itself, and the guard would guard nothing.
    No cookie is kept and no redirect followed here.
    """

    guard: Guard
    limits: CrawlLimits
    tls: ssl.SSLContext
    clock: Callable[[], float]
    user_agent: str = USER_AGENT

    @contextmanager
    def get(self, address: Address, *, until: float) -> Iterator[Reply]:
        """
        Ask for a page; at `until` on the clock it is given up, whatever has come of it.

        Raises:
            PrivateAddress, InvalidAddress: it may not be asked for.
            Unreachable, TooSlow: no answer comes, or not all of it.
        """
        deadline = Deadline(self.clock, min(until, self.clock() + self.limits.page_seconds))
        pool = httpcore.ConnectionPool(ssl_context=self.tls, network_backend=GuardedNetwork(self.guard, deadline))
        request = httpcore.Request(
            "GET", _wire_url(address), headers=self._headers(address), extensions={"timeout": self._timeouts()}
        )
        with _faults_named(address), pool:
            response = pool.handle_request(request)
            try:
                yield Reply(address, response.status, _decoded(response.headers), response.iter_stream())
            finally:
                response.close()

    def _headers(self, address: Address) -> list[tuple[str, str]]:
        return [
            ("Host", address.netloc),
            ("User-Agent", self.user_agent),
            ("Accept", "text/html,application/xhtml+xml,text/markdown,text/plain,application/pdf,*/*;q=0.5"),
            ("Accept-Encoding", ACCEPTED),
            ("Connection", "close"),
        ]

    def _timeouts(self) -> dict[str, float]:
        return dict.fromkeys(("connect", "read", "write", "pool"), self.limits.silence_s)


def _wire_url(address: Address) -> httpcore.URL:
    return httpcore.URL(
        scheme=address.scheme.encode(), host=address.host.encode(), port=address.port, target=address.target.encode()
    )


def _decoded(headers: list[tuple[bytes, bytes]]) -> tuple[tuple[str, str], ...]:
    return tuple((name.decode("latin-1").lower(), _text(value)) for name, value in headers)


def _text(value: bytes) -> str:
    """Latin-1 by the book; servers that redirect to 手册 unescaped send UTF-8."""
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value.decode("latin-1")


@contextmanager
def _faults_named(address: Address) -> Iterator[None]:
    try:
        yield
    except httpcore.TimeoutException as error:
        raise TooSlow(f"{address.readable} has not come in time ({_words(error)}): try again later") from error
    except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.ProxyError) as error:
        raise Unreachable(f"{address.readable} cannot be fetched ({_words(error)}): try again later") from error


def _words(error: Exception) -> str:
    return str(error)[:200] or type(error).__name__
