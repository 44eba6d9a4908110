"""From paths to an indexed collection; only what changed is worked on."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from langchain_core.documents import Document

from ingest.documents import IngestReport, Refused
from ingest.errors import DocumentError
from ingest.files import FileList, SourceFile, list_files
from ingest.loaders import ocr
from ingest.loaders.table import read
from ingest.splitter import SplitterSettings, split
from ingest.stores.faiss import FaissStore, StoredDocument

Progress: TypeAlias = Callable[[str, int, int], None]
"""Called with the file that is next, how many are done, and how many there are."""

_FILES_A_COMMIT = 32
"""A crash loses at most so many files' work; each commit writes the index once."""


@dataclass(frozen=True, slots=True)
class _Prepared:
    document: StoredDocument
    chunks: list[Document]
    known: bool


@dataclass(slots=True)
class _Tally:
    added: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    failed: list[Refused] = field(default_factory=list)
    skipped: list[Refused] = field(default_factory=list)
    chunks: int = 0


def ingest(store: FaissStore, paths: Sequence[Path], *, splitter: SplitterSettings, progress: Progress) -> IngestReport:
    """
    Bring files and folders into a collection; a file that cannot be read is reported, and the others go in.

    A file that has not changed since it was ingested is not read again; a changed one replaces its chunks; one that
    is gone from a folder that is ingested again is removed.

    Raises:
        PathNotFound, NothingToIngest: there is nothing to work on.
        CollectionError: the collection cannot be written; what was committed before stays.
    """
    began = time.monotonic()
    listed = list_files(paths)
    store.check()  # "unchanged" would be a lie over a damaged index
    known = {document.id: document for document in store.documents()}
    tally = _Tally(failed=list(listed.failed), skipped=list(listed.skipped))
    for start in range(0, len(listed.files), _FILES_A_COMMIT):
        batch = listed.files[start : start + _FILES_A_COMMIT]
        prepared: list[_Prepared] = []
        for number, file in enumerate(batch, start=start):
            progress(file.source, number, len(listed.files))
            prepared += _prepare(file, known, splitter, tally)
        _commit(store, prepared, tally)
    removed = _remove_vanished(store, listed, known)
    progress("", len(listed.files), len(listed.files))
    return IngestReport(
        collection=store.folder.name,
        added=tuple(tally.added),
        changed=tuple(tally.changed),
        unchanged=tuple(tally.unchanged),
        removed=removed,
        failed=tuple(tally.failed),
        skipped=tuple(tally.skipped),
        chunks_written=tally.chunks,
        seconds=time.monotonic() - began,
    )


def _prepare(
    file: SourceFile, known: dict[str, StoredDocument], splitter: SplitterSettings, tally: _Tally
) -> Iterator[_Prepared]:
    """The chunks of a file that is new or changed; nothing for one that is not, or that cannot be read."""
    document_id = hashlib.sha256(str(file.path).encode()).hexdigest()[:16]
    try:
        data = file.read()
        digest = _digest(data, splitter)
        before = known.get(document_id)
        if before and before.digest == digest:
            tally.unchanged.append(file.source)
            return
        loaded = read(data, file.source)
    except DocumentError as error:
        tally.failed.append(Refused(file.source, str(error)))
        return
    tally.failed += loaded.failed
    tally.skipped += loaded.skipped
    chunks = list(split(loaded.sections, splitter))
    title = str(chunks[0].metadata["title"]) if chunks else file.source
    for chunk in chunks:
        # a member of an archive says itself where it comes from
        chunk.metadata = {"source": file.source, **chunk.metadata, "document_id": document_id}
        chunk.id = f"{document_id}-{chunk.metadata['chunk']}"
    yield _Prepared(
        StoredDocument(document_id, file.source, str(file.path), digest, title),
        chunks,
        known=before is not None,
    )


def _digest(data: bytes, splitter: SplitterSettings) -> str:
    """Another splitter makes other chunks, and text recognition finds more of them: both count as a change."""
    made_by = f"{splitter!r}{' with text recognition' if ocr.is_installed() else ''}"
    return hashlib.sha256(data + made_by.encode()).hexdigest()


def _commit(store: FaissStore, prepared: list[_Prepared], tally: _Tally) -> None:
    if not prepared:
        return
    chunks = [chunk for one in prepared for chunk in one.chunks]
    vectors = store.embed([embedding_text(chunk) for chunk in chunks])  # before the lock is taken
    with store.writing() as change:
        change.forget += [one.document.id for one in prepared]
        change.record += [one.document for one in prepared]
        change.add += list(zip(chunks, vectors, strict=True))
    for one in prepared:
        (tally.changed if one.known else tally.added).append(one.document.source)
    tally.chunks += len(chunks)


def _remove_vanished(store: FaissStore, listed: FileList, known: dict[str, StoredDocument]) -> tuple[str, ...]:
    """An answer must not rest on a document that somebody has deleted."""
    gone = [
        document
        for document in known.values()
        if any(Path(document.path).is_relative_to(root) for root in listed.roots) and not Path(document.path).exists()
    ]
    if gone:
        with store.writing() as change:
            change.forget += [document.id for document in gone]
    return tuple(sorted(document.source for document in gone))


def embedding_text(chunk: Document) -> str:
    """What is embedded: a chunk often does not say what it is about, its title and headings do."""
    above = [chunk.metadata.get("title", ""), chunk.metadata.get("headings", "")]
    return "\n".join([*(text for text in above if text), chunk.page_content])
