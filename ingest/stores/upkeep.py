"""Proving that a collection is whole, mending it, and making new vectors beside the old ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from sqlite3 import Connection

import numpy as np
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from numpy.typing import NDArray

from ingest.documents import Progress, embedding_text
from ingest.embedding import Embedder
from ingest.errors import CollectionCorrupt
from ingest.stores import catalogue
from ingest.stores.arrays import DamagedArrays
from ingest.stores.faiss import FaissStore, commit
from ingest.stores.port import CALIBRATION, Vectors
from ingest.stores.segments import Segment, SegmentFacts, check_file, open_segment, with_coarse, write_segment

_CHUNKS_A_SEGMENT = 2048


@dataclass(frozen=True, slots=True)
class Repaired:
    """What was mended: segments whose vectors were made again, indexes that were built again, chunks embedded."""

    segments: tuple[str, ...] = ()
    indexes: tuple[str, ...] = ()
    chunks: int = 0


def verify(store: FaissStore) -> list[str]:
    """
    Every fault of a collection, in words; none where it holds exactly what its documents say.

    Reads every file whole. Damage to the texts themselves is told, and only a backup or the documents mend it.
    """
    with store.locked():
        try:
            with store.catalogue.reading() as db:
                faults = [f"the database: {row[0]}" for row in db.execute("PRAGMA integrity_check") if row[0] != "ok"]
                faults += _faults_of_texts(db)
                faults += [fault for facts in catalogue.segments_of(db) for fault in _faults_of(store.folder, facts)]
                if not faults:
                    faults += _faults_of_numbers(store.folder, db)
        except CollectionCorrupt as error:
            return [str(error)]
    return faults


def repair(store: FaissStore, *, progress: Progress) -> Repaired:
    """
    Make again what can be made from the texts: vectors, terms and indexes.

    Raises:
        CollectionCorrupt: the database itself is damaged; a backup or the documents mend that.
        CollectionBusy, StorageFull: as for any change.
    """
    with store.locked():
        with store.catalogue.connection() as db:
            if faults := [row[0] for row in db.execute("PRAGMA integrity_check") if row[0] != "ok"]:
                raise CollectionCorrupt(store.catalogue.corrupt(f"its database is damaged ({faults[0]})"))
            bad, without_index = _sorted_out(store.folder, catalogue.segments_of(db))
            for facts in without_index:
                _index_again(store, db, facts)
            catalogue.drop_segments(db, [facts.name for facts in bad])
            homeless, firsts = _without_vectors(store.folder, db)
            for done, numbers in enumerate(batches := _runs(homeless, firsts)):
                progress("embedding", done, len(batches))
                chunks = catalogue.chunks_in(db, "number", numbers)
                _write(store, db, numbers, store.embed([chunks[number] for number in numbers]), chunks)
            _forget_strays(store.folder, db)
            commit(db)
        store.tidy()
    return Repaired(
        tuple(facts.name for facts in bad), tuple(facts.name for facts in without_index), chunks=len(homeless)
    )


def reembed(
    store: FaissStore,
    embedder: Embedder,
    *,
    embedding: Embeddings,
    embedding_name: str,
    embedding_hash: str,
    progress: Progress,
) -> FaissStore:
    """
    All vectors again, with another model; the collection as it is opened with it.

    The new ones are written beside the old ones, which are searched meanwhile, and one commit switches. `embedder`
    must use the same model as `embedding`. Until the end nobody else can write.

    Raises:
        CollectionBusy, StorageFull: nothing has changed.
    """
    with store.locked():
        with store.catalogue.connection() as db:
            old = [facts.name for facts in catalogue.segments_of(db)]
            numbers = [row[0] for row in db.execute("SELECT number FROM chunks ORDER BY number")]
            catalogue.drop_segments(db, old)
            total, done, dimension = len(numbers), 0, 0
            for (some, chunks), vectors in embedder.embed(_batches(store, numbers)):
                progress("embedding", done, total)
                dimension = vectors.shape[1]
                _write(store, db, some, vectors, dict(zip(some, chunks, strict=True)))
                done += len(some)
            db.execute("DELETE FROM dead")
            made_with = {
                "embedding": embedding_name,
                "embedding_hash": embedding_hash,
                "dimension": str(dimension),
                CALIBRATION: "",
            }
            catalogue.set_facts(db, made_with)
            commit(db)
        fresh = FaissStore(
            store.folder, embedding, embedding_name=embedding_name, embedding_hash=embedding_hash, index=store.index
        )
        fresh.tidy()
    progress("embedding", total, total)
    return fresh


def _batches(
    store: FaissStore, numbers: Sequence[int]
) -> Iterator[tuple[tuple[list[int], list[Document]], list[Document]]]:
    for some in _runs(numbers):
        with store.catalogue.reading() as db:
            chunks = catalogue.chunks_in(db, "number", some)
        ordered = [chunks[number] for number in some]
        yield (some, ordered), ordered


def _runs(numbers: Sequence[int], borders: Sequence[int] = ()) -> list[list[int]]:
    """Pieces for one segment each; none goes across a border, so that no two segments' numbers overlap."""
    every = np.array(numbers, dtype=np.int64)
    pieces = np.split(every, np.searchsorted(every, sorted(borders)))
    return [
        [int(number) for number in piece[start : start + _CHUNKS_A_SEGMENT]]
        for piece in pieces
        for start in range(0, len(piece), _CHUNKS_A_SEGMENT)
    ]


def _write(
    store: FaissStore, db: Connection, numbers: Sequence[int], vectors: Vectors, chunks: dict[int, Document]
) -> None:
    """One more segment; its name is not one that a reader may have open."""
    facts = write_segment(
        store.folder,
        catalogue.next_segment_name(db),
        np.array(numbers, dtype=np.int64),
        vectors,
        [embedding_text(chunks[number]) for number in numbers],
        store.index,
    )
    catalogue.register_segment(db, facts, numbers[0])


def _faults_of(folder: Path, facts: SegmentFacts) -> Iterator[str]:
    for name, sha256 in zip(facts.files, (facts.sha256, facts.coarse_sha256), strict=False):
        try:
            check_file(folder / name, sha256, whole=True)
        except (OSError, DamagedArrays) as error:
            yield f"{name}: {_words(error)}"


def _words(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "is gone"
    return (error.strerror or str(error)) if isinstance(error, OSError) else str(error)


def _faults_of_texts(db: Connection) -> Iterator[str]:
    """Rows that point to nothing."""
    checks = {
        "chunks belong to documents that are not there": (
            "SELECT count(*) FROM chunks WHERE document_id IS NOT NULL"
            " AND document_id NOT IN (SELECT id FROM documents) AND EXISTS (SELECT 1 FROM documents)"
        ),
        "sources belong to documents that are not there": (
            "SELECT count(*) FROM sources WHERE document_id NOT IN (SELECT id FROM documents)"
        ),
        "documents have no source": (
            "SELECT count(*) FROM documents WHERE id NOT IN (SELECT document_id FROM sources)"
        ),
    }
    for what, query in checks.items():
        if count := db.execute(query).fetchone()[0]:
            yield f"{count} {what}"


def _faults_of_numbers(folder: Path, db: Connection) -> Iterator[str]:
    """Whether vectors and chunks are the same ones, and every vector is one."""
    segments = [open_segment(folder, facts) for facts in catalogue.segments_of(db)]
    chunks = catalogue.numbers(db.execute("SELECT number FROM chunks ORDER BY number"))
    stored = np.concatenate([np.zeros(0, np.int64), *(segment.numbers for segment in segments)])
    alive = np.setdiff1d(stored, catalogue.dead_numbers(db))
    if len(lost := np.setdiff1d(chunks, alive)):
        yield f"{len(lost)} chunks have no vector"
    if len(stray := np.setdiff1d(alive, chunks)):
        yield f"{len(stray)} vectors have no chunk"
    if len(stored) != len(np.unique(stored)):
        yield "some chunks have two vectors"
    for segment in segments:
        yield from _faults_of_vectors(segment)


def _faults_of_vectors(segment: Segment) -> Iterator[str]:
    wrong = 0
    for start in range(0, len(segment.vectors), 65_536):
        lengths = np.linalg.norm(segment.vectors[start : start + 65_536], axis=1)
        wrong += int((~(np.isclose(lengths, 1, atol=1e-3) | (lengths == 0))).sum())
    if wrong:
        yield f"{segment.facts.file}: {wrong} vectors are not of length 1"
    if len(segment.postings.starts) and int(segment.postings.starts[-1]) != len(segment.postings.packed):
        yield f"{segment.facts.file}: its terms are not whole"


def _sorted_out(folder: Path, every: Sequence[SegmentFacts]) -> tuple[list[SegmentFacts], list[SegmentFacts]]:
    """Those whose vectors are damaged, and those of which only the index is."""
    bad, without_index = [], []
    for facts in every:
        faults = [fault.partition(":")[0] for fault in _faults_of(folder, facts)]
        if facts.file in faults:
            bad.append(facts)
        elif faults:
            without_index.append(facts)
    return bad, without_index


def _index_again(store: FaissStore, db: Connection, facts: SegmentFacts) -> None:
    plain = SegmentFacts(facts.name, facts.rows, facts.sha256)
    segment = open_segment(store.folder, plain)
    mended = with_coarse(store.folder, plain, segment.vectors, store.index)
    catalogue.register_segment(db, mended, int(segment.numbers[0]))


def _without_vectors(folder: Path, db: Connection) -> tuple[list[int], list[int]]:
    """The chunks that no segment has, and where each segment begins."""
    chunks = catalogue.numbers(db.execute("SELECT number FROM chunks ORDER BY number"))
    stored = _stored(folder, db)
    lost = np.setdiff1d(chunks, np.concatenate([np.zeros(0, np.int64), *stored]))
    return [int(number) for number in lost], [int(one[0]) for one in stored if len(one)]


def _stored(folder: Path, db: Connection) -> list[NDArray[np.int64]]:
    return [open_segment(folder, facts).numbers for facts in catalogue.segments_of(db)]


def _forget_strays(folder: Path, db: Connection) -> None:
    """Vectors without a chunk count as deleted from now on."""
    chunks = catalogue.numbers(db.execute("SELECT number FROM chunks ORDER BY number"))
    strays = np.setdiff1d(np.concatenate([np.zeros(0, np.int64), *_stored(folder, db)]), chunks)
    db.execute("DELETE FROM dead")
    db.executemany("INSERT INTO dead VALUES (?)", [(int(number),) for number in strays])
