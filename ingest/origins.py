"""What can be ingested: a file, a web page, an upload."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from ingest.documents import Refused
from ingest.stores.port import Source, StoredDocument


class Origin(Protocol):
    """One document where it comes from."""

    @property
    def key(self) -> str:
        """What tells it apart: an absolute path, a URL."""

    @property
    def source(self) -> str:
        """What a person calls it."""

    @property
    def name(self) -> str:
        """A name whose ending chooses the loader."""

    def read(self) -> bytes:
        """
        Its bytes.

        Raises:
            DocumentError: it cannot be read.
        """


@runtime_checkable
class Versioned(Protocol):
    """An origin that can say, without being read, whether it is as it was."""

    @property
    def version(self) -> str:
        """Another one whenever the bytes or the way they are made are others; empty where that cannot be told now."""


def version_of(origin: Origin) -> str:
    """Its version, or "" of one that has to be read."""
    return origin.version if isinstance(origin, Versioned) else ""


@dataclass(frozen=True, slots=True)
class Listing:
    """
    What is to be ingested now.

    `total` is how many origins there will be, as far as is known; where one cannot be had, what is refused stands in
    its place. `covers` says of a document's source whether this listing would have it if it were still there: what is
    covered and not listed is gone. `is_complete` is asked when all was read: nothing is concluded from a listing that
    is not. `labels` are the listing's own.
    """

    origins: Iterable[Origin | Refused]
    total: int
    covers: Callable[[StoredDocument, Source], bool]
    is_complete: Callable[[], bool] = lambda: True
    failed: tuple[Refused, ...] = ()
    skipped: tuple[Refused, ...] = ()
    kept: frozenset[str] = field(default_factory=frozenset)
    """Keys of what is there and cannot be read now: it is not gone."""
    labels: Mapping[str, Any] = field(default_factory=dict)


def still_exists(key: str) -> bool:
    """Of a file; of anything else nobody can tell without asking, so it does."""
    return not key.startswith("/") or Path(key).exists()
