"""How far a crawl goes, and what one page may cost."""

from __future__ import annotations

from dataclasses import dataclass

from ingest.loaders.limits import MIB


@dataclass(frozen=True, slots=True)
class CrawlLimits:
    """
    `depth` counts the links from the start page: 0 is that page alone.

    Raises:
        ValueError: a number is negative, or there is nothing that could be fetched.
    """

    depth: int = 0
    pages: int = 200
    """Every address that has its turn counts, also one that is refused."""
    seconds: float = 600.0
    page_bytes: int = 50 * MIB
    """Of one page, unpacked; HTML has MAX_MARKUP_BYTES besides."""
    page_seconds: float = 120.0
    """From the request for a page to its last byte, however busily the server sends."""
    silence_s: float = 20.0
    """How long a server may take to accept a connection, and between two pieces of its answer."""
    delay_s: float = 1.0
    """Between two requests; a longer Crawl-delay in robots.txt counts instead."""
    redirects: int = 5
    retries: int = 2
    """Of a server that says it is busy (429, 503)."""
    retry_after_s: float = 60.0
    """A server that wants to be left alone for longer is."""
    links: int = 2_000
    """Of one page."""
    url_characters: int = 2_000

    def __post_init__(self) -> None:
        counts = (self.depth, self.delay_s, self.redirects, self.retries, self.retry_after_s, self.links)
        sizes = (self.pages, self.seconds, self.page_bytes, self.page_seconds, self.silence_s, self.url_characters)
        if min(counts) < 0 or min(sizes) <= 0:
            raise ValueError(f"a crawl's limits are no negative numbers, and its sizes and times no zeros: {self}")
