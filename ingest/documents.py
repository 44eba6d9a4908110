"""The words of ingestion: what a chunk says of itself, and what a run reports."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypedDict


class ChunkMetadata(TypedDict, total=False):
    """What every chunk says of where it comes from; JSON's own types only."""

    source: str
    """The document's path below the folder that was ingested, or its file name."""
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


@dataclass(frozen=True, slots=True)
class Refused:
    """A file that did not go in, and why."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class IngestReport:
    """What a run did; paths as `ChunkMetadata.source`."""

    collection: str
    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    unchanged: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    """Documents that were below a folder and are gone from the disk."""
    failed: tuple[Refused, ...] = ()
    skipped: tuple[Refused, ...] = field(default=())
    """Files, and members of archives, that no loader reads."""
    chunks_written: int = 0
    seconds: float = 0.0
