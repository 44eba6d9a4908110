"""A real server on loopback that says what a test has it say, and what it has been asked."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ssl import SSLContext
from typing import TypeAlias

from ingest.documents import Refused
from ingest.web.crawl import Crawl, crawl
from ingest.web.guard import Resolver, resolve
from ingest.web.limits import CrawlLimits
from ingest.web.pages import FetchedPage

LOOPBACK = frozenset({"127.0.0.1"})


@dataclass(frozen=True)
class Answer:
    body: bytes | Iterable[bytes] = b""
    """An iterable is sent piece by piece, without a length."""
    kind: str = "text/html; charset=utf-8"
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    is_dripping_its_head: bool = False


Script: TypeAlias = Answer | list[Answer] | Callable[[], Answer]
"""A list is used up one after the other; its last answer stays."""


def html(*body: str, head: str = "", **headers: str) -> Answer:
    page = f"<html><head><title>t</title>{head}</head><body>{' '.join(body)}</body></html>"
    return Answer(page.encode(), headers={key.replace("_", "-"): value for key, value in headers.items()})


def link(*targets: str) -> str:
    return " ".join(f'<a href="{target}">to {target}</a>' for target in targets)


def moved(target: str, status: int = 302) -> Answer:
    return Answer(status=status, headers={"Location": target})


@dataclass
class Site:
    """`asked` are the requests' paths with their query, in order; robots.txt is not there unless a test has it."""

    port: int
    pages: dict[str, Script]
    asked: list[str] = field(default_factory=list)
    heads: list[dict[str, str]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def asked_pages(self) -> list[str]:
        return [path for path in self.asked if path != "/robots.txt"]

    def answer(self, path: str) -> Answer:
        script = self.pages.get(path, Answer(b"no such page", status=404))
        if isinstance(script, list):
            return script.pop(0) if len(script) > 1 else script[0]
        return script if isinstance(script, Answer) else script()


@contextmanager
def serving(pages: Mapping[str, Script], *, tls: SSLContext | None = None, host: str = "127.0.0.1") -> Iterator[Site]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            site.asked.append(self.path)
            site.heads.append({key.lower(): value for key, value in self.headers.items()})
            try:
                self._send(site.answer(self.path))
            except OSError:  # the crawler has had enough
                self.close_connection = True

        def _send(self, answer: Answer) -> None:
            if answer.is_dripping_its_head:
                self.wfile.write(b"HTTP/1.0 200 OK\r\nX-Long: ")
                for piece in answer.body if not isinstance(answer.body, bytes) else [answer.body]:
                    self.wfile.write(piece)
                return
            self.send_response_only(answer.status)
            headers = {"Content-Type": answer.kind, **answer.headers}
            if isinstance(answer.body, bytes):
                headers.setdefault("Content-Length", str(len(answer.body)))
            for key, value in headers.items():
                if value:
                    self.send_header(key, value)
            self.end_headers()
            for piece in [answer.body] if isinstance(answer.body, bytes) else answer.body:
                self.wfile.write(piece)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer((host, 0), Handler)
    server.daemon_threads = True
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    site = Site(server.server_address[1], dict(pages))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@dataclass
class Time:
    """A clock that only sleeping moves, and each look at it by `step_s`."""

    now: float = 1000.0
    step_s: float = 0.0
    slept: list[float] = field(default_factory=list)

    def clock(self) -> float:
        self.now += self.step_s
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def silent(name: str, done: int, known: int) -> None:
    pass


@dataclass
class Outcome:
    pages: list[FetchedPage]
    refused: list[Refused]
    crawl: Crawl

    @property
    def keys(self) -> list[str]:
        return [page.key for page in self.pages]

    @property
    def reason(self) -> str:
        """Of the only one that was refused."""
        (refused,) = self.refused
        return refused.reason


def crawled(
    start: str,
    *,
    depth: int = 0,
    limits: CrawlLimits | None = None,
    time: Time | None = None,
    allowed: Iterable[str] = LOOPBACK,
    resolver: Resolver = resolve,
    tls: SSLContext | None = None,
) -> Outcome:
    time = time or Time()
    crawling = crawl(
        start,
        limits=limits or CrawlLimits(depth=depth),
        progress=silent,
        allowed_private=frozenset(allowed),
        clock=time.clock,
        sleep=time.sleep,
        tls=tls,
        resolver=resolver,
    )
    outcomes = list(crawling)
    return Outcome(
        [outcome for outcome in outcomes if isinstance(outcome, FetchedPage)],
        [outcome for outcome in outcomes if isinstance(outcome, Refused)],
        crawling,
    )
