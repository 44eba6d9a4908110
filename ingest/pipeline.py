"""From documents to an indexed collection; only what changed is worked on, and every commit is whole."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePath
from typing import Any

from langchain_core.documents import Document

from ingest.documents import IngestReport, LeftOut, Progress, Refused
from ingest.embedding import Embedder
from ingest.errors import DocumentError
from ingest.files import SourceFile
from ingest.known import Known, Placement, is_badly_titled, kept_elsewhere, without
from ingest.loaders import ocr
from ingest.loaders.table import read
from ingest.origins import Listing, Origin, is_file, still_exists, version_of
from ingest.splitter import SplitterSettings, split
from ingest.stores.port import KnowledgeStore, Source, StoredDocument, Vectors

_CHUNKS_A_COMMIT = 512
_DOCUMENTS_A_COMMIT = 256
"""A crash loses at most one commit's work."""
_READ_AS = "2"
"""Counts up when loaders read the same bytes otherwise, so that what was read before is read again."""


@dataclass(frozen=True, slots=True)
class IngestOptions:
    """`labels` are put on every document, for filters; `prune` removes what is gone from where it was."""

    splitter: SplitterSettings = field(default_factory=SplitterSettings)
    labels: Mapping[str, Any] = field(default_factory=dict)
    prune: bool = False


@dataclass(frozen=True, slots=True)
class _Prepared:
    """`chunks` is None where the document's facts change and its chunks stay."""

    source: str
    placement: Placement
    chunks: list[Document] | None


@dataclass(slots=True)
class _Tally:
    by_kind: dict[str, list[str]] = field(default_factory=dict)
    removed: list[str] = field(default_factory=list)
    failed: list[Refused] = field(default_factory=list)
    skipped: list[Refused] = field(default_factory=list)
    chunks: int = 0

    def of(self, kind: str) -> tuple[str, ...]:
        return tuple(self.by_kind.get(kind, ()))


def ingest(
    store: KnowledgeStore, listing: Listing, options: IngestOptions, embedder: Embedder, *, progress: Progress
) -> IngestReport:
    """
    Bring documents into a collection; one that cannot be read is reported, and the others go in.

    One that has not changed costs its hash, or nothing where its version says so; a changed one replaces its chunks,
    and a renamed one keeps them. The same content found twice is stored once. What is gone is reported, or removed
    where `options.prune` says so and the listing is complete.

    Raises:
        CollectionError: the collection cannot be written; what was committed before stays.
    """
    return _Run(store, listing, options, embedder, progress).report()


class _Run:
    """One call of `ingest`."""

    def __init__(
        self, store: KnowledgeStore, listing: Listing, options: IngestOptions, embedder: Embedder, progress: Progress
    ) -> None:
        self._store = store
        self._listing = listing
        self._options = options
        self._embedder = embedder
        self._progress = progress
        self._tally = _Tally(failed=list(listing.failed), skipped=list(listing.skipped))
        self._labels = {**options.labels, **listing.labels}
        self._seen: set[str] = set()

    def report(self) -> IngestReport:
        began = time.monotonic()
        self._store.check()  # "unchanged" would be a lie over a damaged index
        self._known = Known(self._store.documents(), exists=still_exists)
        self._note_splitter()
        for batch, vectors in self._embedder.embed(self._batches()):
            self._commit(batch, vectors)
        gone = self._gone()
        kept_back = self._why_not_pruned(gone)
        if self._listing.is_complete():
            self._take_off_shelves()
        if self._options.prune and gone and not kept_back:
            self._prune(gone)
        self._progress("", self._listing.total, self._listing.total)
        tally = self._tally
        return IngestReport(
            collection=self._store.name,
            added=tally.of("added"),
            changed=tally.of("changed"),
            unchanged=tally.of("unchanged"),
            renamed=tally.of("renamed"),
            duplicates=tally.of("duplicates"),
            missing=() if tally.removed else tuple(sorted(source.name for source in gone)),
            removed=tuple(sorted(tally.removed)),
            kept_back=kept_back,
            failed=tuple(tally.failed),
            skipped=tuple(tally.skipped),
            chunks_written=tally.chunks,
            seconds=time.monotonic() - began,
        )

    def _note_splitter(self) -> None:
        splitter = self._options.splitter
        facts = {"chunk_size": str(splitter.chunk_size), "chunk_overlap": str(splitter.chunk_overlap)}
        if not facts.items() <= self._store.facts().items():
            self._store.note(facts)

    # what is to be done

    def _batches(self) -> Iterator[tuple[list[_Prepared], list[Document]]]:
        """What is committed together, with the chunks that are to be embedded."""
        batch: list[_Prepared] = []
        chunks: list[Document] = []
        for number, origin in enumerate(self._listing.origins):
            if isinstance(origin, Refused):
                (self._tally.skipped if isinstance(origin, LeftOut) else self._tally.failed).append(origin)
                continue
            self._progress(origin.source, number, max(number + 1, self._listing.total))
            prepared = self._prepare(origin)
            if prepared is None:
                continue
            batch.append(prepared)
            chunks += prepared.chunks or []
            if len(chunks) >= _CHUNKS_A_COMMIT or len(batch) >= _DOCUMENTS_A_COMMIT:
                yield batch, chunks
                batch, chunks = [], []
        if batch:
            yield batch, chunks

    def _prepare(self, origin: Origin) -> _Prepared | None:
        """None where nothing is to be written: it is unchanged, or cannot be read."""
        self._seen.add(origin.key)
        shelves = (self._listing.shelf,) if self._listing.shelf else ()
        source = Source(origin.key, origin.source, self._version(origin), shelves)
        try:
            placement, chunks = self._as_it_was(source) or self._placed(origin, source)
        except DocumentError as error:
            self._tally.failed.append(Refused(origin.source, str(error)))
            return None
        self._known.apply(placement)
        if placement.kind == "unchanged" and not placement.is_noted and chunks is None:
            self._count(placement.kind, origin.source)
            return None
        return _Prepared(origin.source, placement, chunks)

    def _version(self, origin: Origin) -> str:
        """With all else that decides what the chunks are, as in the digest of what is read."""
        version = version_of(origin)
        return digest_of(version.encode(), origin.name, self._options.splitter) if version else ""

    def _as_it_was(self, source: Source) -> tuple[Placement, None] | None:
        """Of a source that has the version that was read last; None where it is to be read."""
        known = self._known.of_key(source.key)
        # a document whose writing was broken off has no digest
        if not (source.version and known and known.digest):
            return None
        if all((one.key, one.version) != (source.key, source.version) for one in known.sources):
            return None
        placement = self._known.place(source, known.digest, self._labels)
        return None if placement.is_to_index else (placement, None)

    def _placed(self, origin: Origin, source: Source) -> tuple[Placement, list[Document] | None]:
        data = origin.read()
        placement = self._known.place(source, digest_of(data, origin.name, self._options.splitter), self._labels)
        return self._read(placement, data, origin.name) if placement.is_to_index else (placement, None)

    def _read(self, placement: Placement, data: bytes, name: str) -> tuple[Placement, list[Document]]:
        document = placement.document
        # a document of several sources is called by the first, whichever of them is read
        called = document.source if PurePath(document.source).suffix == PurePath(name).suffix else name
        loaded = read(data, called)
        self._tally.failed += loaded.failed
        self._tally.skipped += loaded.skipped
        chunks = list(split(loaded.sections, self._options.splitter))
        title = str(chunks[0].metadata["title"]) if chunks else document.source
        path = PurePath(called)
        by_name = called == document.source and title in (path.stem, path.name)
        titled = replace(document, title=title, is_titled_by_name=by_name)
        for chunk in chunks:
            # a member of an archive says itself where it comes from
            chunk.metadata = {"source": document.source, **chunk.metadata, "document_id": document.id}
            chunk.id = f"{document.id}-{chunk.metadata['chunk']}"
        return replace(placement, document=titled), chunks

    # making it true

    def _commit(self, batch: Sequence[_Prepared], vectors: Vectors) -> None:
        rows = iter(vectors)
        with self._store.writing() as change:
            batch = self._still_there(batch)
            for prepared in batch:
                for document in (*prepared.placement.left, prepared.placement.document):
                    if not document.sources:
                        change.forget.append(document.id)
                if prepared.chunks is not None:
                    change.forget.append(prepared.placement.document.id)
            latest = {
                document.id: document
                for prepared in batch
                for document in (*prepared.placement.left, prepared.placement.document)
            }
            indexed = {prepared.placement.document.id for prepared in batch if prepared.chunks is not None}
            change.record += self._recordable(latest.values(), indexed)
            added = {str(chunk.id): (chunk, next(rows)) for prepared in batch for chunk in prepared.chunks or []}
            change.add += [pair for pair in added.values() if latest[pair[0].metadata["document_id"]].sources]
        for prepared in batch:
            self._count(prepared.placement.kind, prepared.source)
        self._tally.chunks += len(added)

    def _recordable(self, documents: Iterable[StoredDocument], indexed: set[str]) -> list[StoredDocument]:
        """Those that have chunks: indexed now, or still in the collection, whoever else has deleted some meanwhile."""
        return [
            document
            for document in documents
            if document.sources and (document.id in indexed or self._store.document(document.id) is not None)
        ]

    def _still_there(self, batch: Sequence[_Prepared]) -> Sequence[_Prepared]:
        """Without those whose chunks should have stayed, and whose document somebody has deleted meanwhile."""
        indexed = {one.placement.document.id for one in batch if one.chunks is not None}
        kept = []
        for one in batch:
            document = one.placement.document
            is_gone = one.chunks is None and document.id not in indexed and self._store.document(document.id) is None
            if is_gone:
                self._known.put(without(document, [source.key for source in document.sources]))
                reason = f"{one.source} was deleted from the collection meanwhile: ingest it again"
                self._tally.failed.append(Refused(one.source, reason))
            else:
                kept.append(one)
        return kept

    def _count(self, kind: str, source: str) -> None:
        self._tally.by_kind.setdefault(kind, []).append(source)

    # what is gone

    def _gone(self) -> list[Source]:
        listed = self._listing.shelves()
        return [
            source
            for document in self._known.documents.values()
            for source in document.sources
            if self._is_unseen(source)
            and (listed >= set(source.shelves) if source.shelves else self._listing.covers(document, source))
        ]

    def _is_unseen(self, source: Source) -> bool:
        return source.key not in self._seen and source.key not in self._listing.kept

    def _take_off_shelves(self) -> None:
        """What is gone from here and still on another shelf stays there alone."""
        listed = self._listing.shelves()
        if not listed:
            return
        left = []
        for document in self._known.documents.values():
            sources = tuple(kept_elsewhere(one, listed) if self._is_unseen(one) else one for one in document.sources)
            if sources != document.sources:
                left.append(replace(document, sources=sources))
        if left:
            with self._store.writing() as change:
                change.record += self._recordable(left, set())
        for document in left:
            self._known.put(document)

    def _why_not_pruned(self, gone: Sequence[Source]) -> str:
        if not self._options.prune or not gone or self._listing.is_complete():
            return ""
        return "nothing is removed, because not everything could be listed: what is missing may only be out of sight"

    def _prune(self, gone: Sequence[Source]) -> None:
        keys = {source.key for source in gone}
        touched = [
            document
            for document in self._known.documents.values()
            if any(source.key in keys for source in document.sources)
        ]
        left = [without(document, keys) for document in touched]
        with self._store.writing() as change:
            change.forget += [document.id for document in left if not document.sources]
            change.record += self._recordable(left, set())
        for document in left:
            self._known.put(document)
        self._tally.removed += [source.name for source in gone]
        self._retitle([document for document in left if is_badly_titled(document)])

    def _retitle(self, documents: Sequence[StoredDocument]) -> None:
        """Titled by the name of a file that is gone: read again under the name of one that is there."""
        for document in documents:
            there = next((source for source in document.sources if is_file(source.key)), None)
            if there is None:
                continue  # what is fetched is titled when it is listed the next time
            try:
                data = SourceFile(Path(there.key), there.name).read()
                if digest_of(data, there.name, self._options.splitter) != document.digest:
                    continue  # it has changed meanwhile: the next run reads it anyway
                placement, chunks = self._read(Placement("changed", document, is_to_index=True), data, there.name)
            except DocumentError as error:
                self._tally.failed.append(Refused(there.name, str(error)))
                continue
            for batch, vectors in self._embedder.embed([([_Prepared(document.source, placement, chunks)], chunks)]):
                self._commit(batch, vectors)


def digest_of(data: bytes, name: str, splitter: SplitterSettings) -> str:
    """Of a document's bytes and of all that decides what chunks they become: another splitter makes others."""
    made_by = (_READ_AS, PurePath(name).suffix.lower(), repr(splitter), str(ocr.is_installed()))
    return hashlib.sha256(data + "\n".join(made_by).encode()).hexdigest()
