"""Servers that never end, or send more than anybody wants: each is given up, and said so."""

from __future__ import annotations

import gzip
import itertools
import threading
import zlib
from collections.abc import Iterator

import pytest

from ingest.web.body import read_body
from ingest.web.errors import Unreachable
from ingest.web.limits import CrawlLimits
from tests.ingest.web.sites import Answer, Script, Time, crawled, html, link, moved, serving

pytestmark = pytest.mark.timeout(60)
SMALL = CrawlLimits(page_bytes=1_000_000)


def zeros(mebibytes: int) -> Iterator[bytes]:
    """Packed, a thousandth of it."""
    packer = zlib.compressobj(9, wbits=31)
    for _ in range(mebibytes):
        yield packer.compress(bytes(1024 * 1024))
    yield packer.flush()


def test_a_page_that_says_it_is_too_large_is_not_read() -> None:
    def unread() -> Answer:
        return Answer(iter([b"x" * 100]), headers={"Content-Length": "1000001"})

    with serving({"/": unread}) as site:
        found = crawled(site.url, limits=SMALL)

    assert "is larger than the 0.954 MiB that are fetched" in found.reason
    assert found.crawl.partial


def test_an_endless_body_is_cut_off() -> None:
    sent: list[int] = []

    def pieces() -> Iterator[bytes]:
        for number in itertools.count():
            sent.append(number)
            yield b"x" * 10_000

    with serving({"/": lambda: Answer(pieces(), kind="text/plain")}) as site:
        found = crawled(site.url, limits=SMALL)

    assert "is larger than" in found.reason
    assert len(sent) < 10_000


def test_a_gzip_bomb_ends_at_the_limit() -> None:
    with serving({"/": lambda: Answer(zeros(300), headers={"Content-Encoding": "gzip"})}) as site:
        found = crawled(site.url, limits=SMALL)

    assert "is larger than" in found.reason


def test_a_bomb_is_unpacked_no_further_than_it_is_read() -> None:
    bomb = b"".join(zeros(64))
    read: list[int] = []

    def chunks() -> Iterator[bytes]:
        for start in range(0, len(bomb), 1000):
            read.append(start)
            yield bomb[start : start + 1000]

    assert len(read_body(chunks(), "gzip", "x", max_bytes=10_000, cut=True)) == 10_000
    assert len(read) == 1


def test_an_endless_row_of_empty_gzip_members_is_cut_off() -> None:
    empty = gzip.compress(b"") * 1000
    with serving(
        {"/": lambda: Answer((empty for _ in itertools.count()), headers={"Content-Encoding": "gzip"})}
    ) as site:
        found = crawled(site.url, limits=SMALL)

    assert "is larger than" in found.reason


@pytest.mark.parametrize(
    "packed",
    [gzip.compress(b"<p>here</p>"), gzip.compress(b"<p>he") + gzip.compress(b"re</p>") + bytes(100)],
    ids=["in one member", "in two members and padding"],
)
def test_a_packed_page_is_unpacked(packed: bytes) -> None:
    with serving({"/": Answer(packed, headers={"Content-Encoding": "gzip"})}) as site:
        found = crawled(site.url)

    assert [page.read() for page in found.pages] == [b"<p>here</p>"]
    assert site.heads[0]["accept-encoding"] == "gzip"


@pytest.mark.parametrize(
    ("data", "encoding", "words"),
    [
        (gzip.compress(b"here" * 1000)[:-30], "gzip", "breaks off"),
        (b"no gzip at all", "gzip", "comes damaged"),
        (b"x", "zstd", "not asked for"),
        (b"x", "gzip, gzip", "not asked for"),
    ],
    ids=["broken off", "not packed", "packed otherwise", "packed twice"],
)
def test_a_body_that_cannot_be_unpacked_is_refused(data: bytes, encoding: str, words: str) -> None:
    with pytest.raises(Unreachable, match=words):
        read_body([data], encoding, "x", max_bytes=10_000)


def test_a_server_that_drips_ends_with_the_pages_time() -> None:
    """Each byte comes long before any time-out; the clock is the test's own."""
    time = Time(step_s=0.5)
    with serving({"/": lambda: Answer((b"x" for _ in itertools.count()), kind="text/plain")}) as site:
        found = crawled(site.url, limits=CrawlLimits(page_seconds=30), time=time)

    assert "has not come in time" in found.reason
    assert time.now < 1000 + 100
    assert found.crawl.partial


def test_a_server_that_drips_its_head_ends_with_the_pages_time() -> None:
    def dripping() -> Answer:
        return Answer((b"x" for _ in itertools.count()), is_dripping_its_head=True)

    time = Time(step_s=0.5)
    with serving({"/": dripping}) as site:
        found = crawled(site.url, limits=CrawlLimits(page_seconds=30), time=time)

    assert len(found.refused) == 1
    assert time.now < 1000 + 100


def test_a_silent_server_meets_the_time_out() -> None:
    never = threading.Event()

    def silent_pieces() -> Iterator[bytes]:
        never.wait(20)
        yield b"late"

    with serving({"/": lambda: Answer(silent_pieces(), kind="text/plain")}) as site:
        found = crawled(site.url, limits=CrawlLimits(silence_s=0.2))
        never.set()

    assert "has not come in time" in found.reason


def test_a_page_that_breaks_off_is_refused_and_the_others_go_in() -> None:
    pages: dict[str, Script] = {
        "/": html(link("/cut", "/whole")),
        "/cut": Answer(b"half", headers={"Content-Length": "1000"}),
        "/whole": html("whole"),
    }
    with serving(pages) as site:
        found = crawled(site.url, depth=1)

    assert found.keys == [f"{site.url}/", f"{site.url}/whole"]
    assert "cannot be fetched" in found.reason
    assert found.crawl.partial


def test_a_host_where_nothing_listens_is_refused() -> None:
    with serving({}) as site:
        pass

    found = crawled(site.url)

    assert "robots.txt cannot be had" in found.reason


def test_a_redirect_to_an_overlong_address_is_refused() -> None:
    with serving({"/": moved("/" + "x" * 3000)}) as site:
        found = crawled(site.url)

    assert "3,001 characters" in found.reason


def test_a_site_that_makes_up_pages_for_ever_ends_at_the_limit() -> None:
    pages: dict[str, Script] = {
        f"/{'x/' * level}{number}": html(*(link(f"/{'x/' * (level + 1)}{next_number}") for next_number in range(50)))
        for level in range(3)
        for number in range(50)
    }
    with serving(pages) as site:
        found = crawled(f"{site.url}/0", limits=CrawlLimits(depth=100, pages=30))

    assert len(found.pages) == 30
    assert len(site.asked) == 31
    assert found.crawl.partial
