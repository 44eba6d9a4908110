"""What a crawl gives."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from ingest.documents import LeftOut, Refused


@dataclass(frozen=True, slots=True)
class FetchedPage:
    """A page that has been fetched; where it was redirected, as the page that it came to."""

    key: str
    """The address in its one form, by which the page is known again."""
    source: str
    """The same address as a person reads it."""
    name: str
    """Its ending chooses the loader."""
    data: bytes = field(repr=False)

    def read(self) -> bytes:
        """As the loader of its kind takes them; already here, and within `CrawlLimits.page_bytes`."""
        return self.data


Outcome: TypeAlias = FetchedPage | Refused
"""`LeftOut` is what is not there for us; the start page is never merely that: it was asked for."""
__all__ = ["FetchedPage", "LeftOut", "Outcome"]
