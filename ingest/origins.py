"""What can be ingested: a file, a web page, an upload."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
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
    its place. `is_complete` is asked when all was read: nothing is concluded from a listing that is not. `labels` are
    the listing's own.

    Where the key of a source does not tell whether the listing would have it, the listing is a `shelf`, which is kept
    with each source. `shelves` is asked when all was read, and names those of which everything was listed: its own, and
    those within it. What is not listed and on no other shelf is gone. Of a source that is on no shelf `covers` says
    whether this listing would have it if it were still there: what is covered and not listed is gone.
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
    shelf: str = ""
    shelves: Callable[[], AbstractSet[str]] = frozenset


def is_file(key: str) -> bool:
    """Whether it is a path, whatever is there now."""
    return key.startswith("/")


def still_exists(key: str) -> bool:
    """Of a file; of anything else nobody can tell without asking, so it does."""
    return not is_file(key) or Path(key).exists()


def was_labelled(document: StoredDocument, source: Source, name: str, value: str) -> bool:
    """
    Whether an address was found where its document's label says.

    Collections from before there were shelves know no more. A document with a shelf has been found since, maybe
    elsewhere, and its label is about that.
    """
    is_of_before = not any(one.shelves for one in document.sources)
    return is_of_before and not is_file(source.key) and document.labels.get(name) == value
