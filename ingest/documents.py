"""The words of ingestion: what a chunk says of itself, and what a run reports."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import TypeAlias, TypedDict

from langchain_core.documents import Document

Progress: TypeAlias = Callable[[str, int, int], None]
"""Called with what is worked on next (a file, a page), how much is done, and how much there is, as far as is known."""


class ChunkMetadata(TypedDict, total=False):
    """What every chunk says of where it comes from; JSON's own types only."""

    source: str
    """The document's path below the folder that was ingested, or its file name."""
    sources: list[str]
    """All of them, where the same content was found in several places."""
    document_id: str
    title: str
    headings: str
    """The path of headings above the chunk, joined with " > "; empty where there is none."""
    page: int
    """Counted from 1; only where the format has pages."""
    sheet: str
    """The name of a workbook's sheet."""
    slide: int
    """Counted from 1, in a presentation."""
    chunk: int
    """The chunk's number in its document, counted from 0."""
    start: int
    """Where the chunk begins in the text of its section or page, in characters."""


def embedding_text(chunk: Document) -> str:
    """What is embedded and indexed: a chunk often does not say what it is about, its title and headings do."""
    above = [str(chunk.metadata.get(name, "")) for name in ("title", "headings")]
    return "\n".join([*(text for text in above if text), chunk.page_content])


@dataclass(frozen=True, slots=True)
class Refused:
    """A file that did not go in, and why."""

    path: str
    reason: str


class LeftOut(Refused):
    """What is not there for us, by its own word or by its kind: no failure, and no reason to try again."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class IngestReport:
    """What a run did; paths as `ChunkMetadata.source`."""

    collection: str
    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    unchanged: tuple[str, ...] = ()
    renamed: tuple[str, ...] = ()
    """Known documents under a new name; nothing was indexed again."""
    duplicates: tuple[str, ...] = ()
    """Files with the content of another: stored once, with both sources."""
    missing: tuple[str, ...] = ()
    """Documents that are gone from where they were, and still in the collection: `prune` would remove them."""
    removed: tuple[str, ...] = ()
    """Documents that were gone and have been removed."""
    kept_back: str = ""
    """Why nothing was removed although it was asked for."""
    failed: tuple[Refused, ...] = ()
    skipped: tuple[Refused, ...] = field(default=())
    """Files, and members of archives, that no loader reads."""
    chunks_written: int = 0
    seconds: float = 0.0

    def then(self, later: IngestReport) -> IngestReport:
        """Both runs as one."""
        both = {
            one.name: getattr(self, one.name) + getattr(later, one.name)
            for one in fields(self)
            if one.name not in ("collection", "kept_back")
        }
        return IngestReport(collection=self.collection, kept_back=self.kept_back or later.kept_back, **both)
