"""
Vectors on FAISS, for one machine: no pickle, nothing half-written, many readers beside one writer.

A collection is a folder:

- `collection.sqlite3` holds documents, chunks and the names of the segments that belong to them; its commit is the
  moment at which a change becomes true.
- `segment-N.safetensors` holds the vectors and terms of chunks, and `segment-N.faiss` an index over them where they
  are many. Both are written and flushed to the disk before the commit that names them, and never changed; readers of
  older ones go on undisturbed.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from sqlite3 import Connection
from typing import Any, Self

import numpy as np
from filelock import FileLock, Timeout
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.vectorstores.utils import maximal_marginal_relevance
from numpy.typing import NDArray

from ingest.documents import embedding_text
from ingest.errors import CollectionBusy, CollectionCorrupt, EmbeddingMismatch
from ingest.stores import catalogue
from ingest.stores.arrays import DamagedArrays
from ingest.stores.catalogue import FORMAT, Catalogue
from ingest.stores.coarse import Kind
from ingest.stores.compaction import Size, to_merge
from ingest.stores.disk import storage_explained
from ingest.stores.filters import check_filter, numbers_where
from ingest.stores.generation import Generation, LiveSegment
from ingest.stores.port import Change, Filter, KnowledgeStore, StoredDocument, Vectors, unit
from ingest.stores.segments import Segment, SegmentFacts, merge_segments, open_segment, write_segment

LOCK = "write.lock"
_THREADS = 2
"""For the segments of one search, where several are large."""
_TRIES = 8
"""A file may be gone because two commits came between its name was read and it was opened."""


class FaissStore(KnowledgeStore):
    """
    A LangChain vector store over one folder; scores are inner products of unit vectors, -1..1.

    Filters choose before the search, so `k` results come as long as `k` chunks match. Safe to use from several
    threads and processes: one writes at a time (another waits `lock_timeout_s`, then gets `CollectionBusy`),
    and readers see the state before or after a change, never between. `index` is how large segments are searched.

    Raises:
        EmbeddingMismatch: the collection was made with another embedding model.
        CollectionCorrupt: a file of it is damaged or gone.
        StorageFull: the disk is full or not writable; what was there before is unharmed.
    """

    def __init__(
        self,
        folder: Path,
        embedding: Embeddings,
        *,
        embedding_name: str,
        embedding_hash: str = "",
        index: Kind = "rabitq",
        lock_timeout_s: float = 5,
    ) -> None:
        self.folder = folder
        self.name = folder.name
        self.catalogue = Catalogue(folder)
        self.index = index
        self._embedding = embedding
        self._embedding_name = embedding_name
        self._embedding_hash = embedding_hash
        self._lock_timeout_s = lock_timeout_s
        self._loaded: Generation | None = None
        self._loading = threading.Lock()
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="search")  # starts none before it is used
        if self.catalogue.exists:
            with self.catalogue.reading() as db:
                self._check_made_with(db)
        else:
            self._create()

    # reading

    @property
    def embeddings(self) -> Embeddings:
        return self._embedding

    def search_by_vector(
        self, vector: Sequence[float], k: int, *, filter: Filter | None = None
    ) -> list[tuple[Document, float]]:
        """As `similarity_search_with_score`, for a vector."""
        with self._state() as (db, generation):
            found = self._nearest(db, generation, vector, k, filter)
            return _with_documents(db, found)

    def keyword_search(self, question: str, k: int, *, filter: Filter | None = None) -> list[tuple[Document, float]]:
        """The `k` chunks that share the most telling words with the question, best first; scores are BM25's."""
        check_filter(filter)
        with self._state() as (db, generation):
            allowed = generation.allowed(filter, lambda wanted: numbers_where(db, wanted))
            return _with_documents(db, generation.sharing_terms(question, k, allowed))

    def hybrid_search(
        self, question: str, k: int, *, filter: Filter | None = None
    ) -> list[tuple[Document, float, float]]:
        """
        The `k` chunks that are nearest in meaning and the `k` that share the most telling words, each once.

        With the vectors' inner product and BM25's score of all of them; those near in meaning first.
        """
        vector = unit([self.embeddings.embed_query(question)])[0]
        with self._state() as (db, generation):
            if not (allowed := self._searchable(db, generation, vector, k, filter)):
                return []
            found = generation.hybrid(vector, question, k, allowed.numbers, self._pool)
            chunks = catalogue.chunks_in(db, "number", [number for number, *_ in found])
            return [(chunks[number], product, score) for number, product, score in found if number in chunks]

    def rarities(self, words: Sequence[str]) -> list[float]:
        """How telling each word is here: the larger, the fewer chunks hold it (BM25's weight)."""
        with self._state() as (_, generation):
            return generation.rarities(words)

    def max_marginal_relevance_search_by_vector(
        self, embedding: list[float], k: int = 4, fetch_k: int = 20, lambda_mult: float = 0.5, **kwargs: Any
    ) -> list[Document]:
        """Near the query and unlike each other (Carbonell and Goldstein, 1998)."""
        with self._state() as (db, generation):
            found = self._nearest(db, generation, embedding, fetch_k, kwargs.get("filter"))
            if not found:
                return []
            vectors: list[Any] = [generation.vector(number) for number, _ in found]
            chosen = maximal_marginal_relevance(unit([embedding])[0], vectors, lambda_mult, k)
            return [document for document, _ in _with_documents(db, [found[place] for place in chosen])]

    def get_by_ids(self, ids: Sequence[str], /) -> list[Document]:
        """Those of the chunks that exist, in the order of `ids`."""
        with self.catalogue.reading() as db:
            found = {chunk.id: chunk for chunk in catalogue.chunks_in(db, "id", ids).values()}
        return [found[chunk_id] for chunk_id in ids if chunk_id in found]

    def documents(self) -> list[StoredDocument]:
        with self.catalogue.reading() as db:
            return sorted(catalogue.documents_of(db).values(), key=lambda document: (document.source, document.id))

    def document(self, document_id: str) -> StoredDocument | None:
        with self.catalogue.reading() as db:
            return catalogue.documents_of(db, [document_id]).get(document_id)

    def chunks_of(self, document_id: str) -> list[Document]:
        with self.catalogue.reading() as db:
            return [chunk for _, chunk in sorted(catalogue.chunks_in(db, "document_id", [document_id]).items())]

    def chunk_counts(self) -> dict[str, int]:
        with self.catalogue.reading() as db:
            rows = db.execute("SELECT document_id, count(*) FROM chunks GROUP BY document_id").fetchall()
        return {row[0]: row[1] for row in rows if row[0]}

    def count(self) -> int:
        with self.catalogue.reading() as db:
            return catalogue.count_chunks(db)

    def facts(self) -> dict[str, str]:
        with self.catalogue.reading() as db:
            return catalogue.facts_of(db)

    def segments(self) -> list[SegmentFacts]:
        """The files that hold its vectors, oldest first."""
        with self.catalogue.reading() as db:
            return catalogue.segments_of(db)

    def check(self) -> None:
        with self._state() as (db, generation):
            chunks = catalogue.count_chunks(db)
        if generation.count != chunks:
            raise CollectionCorrupt(
                self.catalogue.corrupt(f"its index has {generation.count} vectors for {chunks} chunks")
            )

    # writing

    def note(self, facts: Mapping[str, str]) -> None:
        with self.locked(), self.catalogue.connection() as db:
            catalogue.set_facts(db, facts)
            db.commit()

    @contextmanager
    def writing(self) -> Iterator[Change]:
        with self.locked():
            change = Change()
            yield change
            with self.catalogue.connection() as db:
                self._check_made_with(db)
                if change.is_empty:
                    return
                self._apply(db, change)
            self.tidy()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """
        Nobody else writes meanwhile.

        Raises:
            CollectionBusy: another process or thread is writing.
        """
        lock = FileLock(self.folder / LOCK)
        try:
            with storage_explained(self.folder), lock.acquire(timeout=self._lock_timeout_s):
                yield
        except Timeout as error:
            raise CollectionBusy(
                f"another process is writing to the collection {self.name!r}: try again when it is done"
            ) from error

    def tidy(self) -> None:
        """Merge what has become many small segments, and remove files that nothing names; the lock is held."""
        while True:
            with self.catalogue.connection() as db:
                generation = self._load(db)
                run = to_merge([Size(live.segment.facts.rows, live.count) for live in generation.segments])
                if run is None:
                    break
                self._merge(db, generation.segments[run])
        self._remove_unnamed()

    @classmethod
    def from_texts(
        cls,
        texts: list[str],
        embedding: Embeddings,
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: list[str] | None = None,
        folder: Path | str = "",
        embedding_name: str = "",
        **kwargs: Any,
    ) -> Self:
        if not folder:
            raise ValueError("from_texts needs the folder that the collection shall live in: folder=…")
        store = cls(Path(folder), embedding, embedding_name=embedding_name or type(embedding).__name__)
        store.add_texts(texts, metadatas, ids=ids)
        return store

    def _apply(self, db: Connection, change: Change) -> None:
        added = {str(chunk.id): (chunk, vector) for chunk, vector in change.add}  # the last of an id counts
        doomed = catalogue.numbers_in(db, "document_id", change.forget)
        doomed += catalogue.numbers_in(db, "id", [*change.delete, *added])
        catalogue.delete_chunks(db, doomed)
        catalogue.forget_documents(db, change.forget)
        for document in change.record:
            catalogue.record_document(db, document)
        if added:
            self._add(db, list(added.values()))
        commit(db)

    def _add(self, db: Connection, added: Sequence[tuple[Document, Any]]) -> None:
        homes = sorted({str(chunk.metadata["document_id"]) for chunk, _ in added if "document_id" in chunk.metadata})
        documents = catalogue.documents_of(db, homes)
        numbers = np.array(
            [
                catalogue.insert_chunk(db, chunk, documents.get(chunk.metadata.get("document_id", "")))
                for chunk, _ in added
            ],
            dtype=np.int64,
        )
        vectors = np.stack([vector for _, vector in added]).astype(np.float32)
        dimension = int(catalogue.facts_of(db)["dimension"])
        if dimension and dimension != vectors.shape[1] and catalogue.segments_of(db):
            raise self._other_dimension(dimension, vectors.shape[1])
        facts = write_segment(
            self.folder,
            catalogue.next_segment_name(db),
            numbers,
            vectors,
            [embedding_text(chunk) for chunk, _ in added],
            self.index,
        )
        catalogue.register_segment(db, facts, int(numbers[0]))
        catalogue.set_facts(db, {"dimension": str(vectors.shape[1])})

    def _other_dimension(self, here: int, asked: int) -> EmbeddingMismatch:
        asked_with = f"{self._embedding_name} of {asked} dimensions instead of {here}"
        return EmbeddingMismatch(self.name, made_with=self._embedding_name, asked_with=asked_with)

    def _merge(self, db: Connection, run: Sequence[LiveSegment]) -> None:
        """Several become one without their deleted rows; nothing that a reader sees changes."""
        parts = [live.segment for live in run]
        first, last = int(parts[0].numbers[0]), int(parts[-1].numbers[-1])
        name = catalogue.next_segment_name(db)
        catalogue.drop_segments(db, [part.facts.name for part in parts])
        if any(live.count for live in run):
            facts = merge_segments(self.folder, name, parts, [live.alive for live in run], self.index)
            catalogue.register_segment(db, facts, first)
        db.execute("DELETE FROM dead WHERE number BETWEEN ? AND ?", (first, last))
        commit(db)

    def _remove_unnamed(self) -> None:
        """What a crash left, and what was merged; a reader that has just read an old name tries again."""
        with self.catalogue.reading() as db:
            named = {file for facts in catalogue.segments_of(db) for file in facts.files}
        for path in [*self.folder.glob("segment-*"), *self.folder.glob(".segment-*")]:
            if path.name not in named:
                path.unlink(missing_ok=True)

    def _create(self) -> None:
        with storage_explained(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            with FileLock(self.folder / LOCK):
                if not self.catalogue.exists:
                    own = {"embedding": self._embedding_name, "embedding_hash": self._embedding_hash}
                    self.catalogue.create(own)

    # the database and the segments that it names

    @contextmanager
    def _state(self) -> Iterator[tuple[Connection, Generation]]:
        """The database and the segments of the same moment."""
        for attempt in range(_TRIES):
            with self.catalogue.reading() as db:
                try:
                    generation = self._load(db)
                except FileNotFoundError as error:
                    if attempt < _TRIES - 1:
                        continue
                    raise CollectionCorrupt(self.catalogue.corrupt(f"its index file is gone ({error})")) from error
                yield db, generation
                return

    def _nearest(
        self, db: Connection, generation: Generation, vector: Sequence[float], k: int, wanted: Filter | None
    ) -> list[tuple[int, float]]:
        if not (allowed := self._searchable(db, generation, vector, k, wanted)):
            return []
        return generation.nearest(unit([vector])[0], k, allowed.numbers, self._pool)

    def _searchable(
        self, db: Connection, generation: Generation, vector: Sequence[float] | Vectors, k: int, wanted: Filter | None
    ) -> _Allowed | None:
        """What may be found; None where nothing can be."""
        check_filter(wanted)
        if k < 1 or not generation.count:
            return None
        dimension = generation.segments[0].segment.vectors.shape[1]
        if len(vector) != dimension:  # FAISS would read beyond its end
            raise self._other_dimension(dimension, len(vector))
        return _Allowed(generation.allowed(wanted, lambda given: numbers_where(db, given)))

    def _load(self, db: Connection) -> Generation:
        facts = catalogue.facts_of(db)
        self._check_facts(facts)
        key = (facts["made"], facts["generation"])
        with self._loading:
            if self._loaded is None or self._loaded.key != key:
                open_ones = {live.segment.facts: live.segment for live in (self._loaded or _EMPTY).segments}
                dead = catalogue.dead_numbers(db)
                segments = [open_ones.get(one) or self._open(one) for one in catalogue.segments_of(db)]
                self._loaded = Generation(key, tuple(LiveSegment.of(segment, dead) for segment in segments))
            return self._loaded

    def _open(self, facts: SegmentFacts) -> Segment:
        try:
            return open_segment(self.folder, facts)
        except FileNotFoundError:
            raise
        except (DamagedArrays, OSError) as error:
            raise CollectionCorrupt(self.catalogue.corrupt(f"its index file is damaged ({error})")) from error

    def _check_made_with(self, db: Connection) -> None:
        self._check_facts(catalogue.facts_of(db))

    def _check_facts(self, facts: Mapping[str, str]) -> None:
        if facts.get("format") != FORMAT:
            raise CollectionCorrupt(
                f"the collection {self.name!r} was made by another version of larkwise (format "
                f"{facts.get('format')}, this one has {FORMAT}): run `larkwise collections delete {self.name}` and "
                "ingest the documents again"
            )
        if facts.get("embedding") != self._embedding_name:
            raise EmbeddingMismatch(self.name, made_with=facts.get("embedding", ""), asked_with=self._embedding_name)
        made, mine = facts.get("embedding_hash", ""), self._embedding_hash
        if made and mine and made != mine:
            raise EmbeddingMismatch(
                self.name,
                made_with=f"{self._embedding_name} {made[:12]}",
                asked_with=f"{self._embedding_name} {mine[:12]}",
            )


@dataclass(frozen=True, slots=True)
class _Allowed:
    """The chunks that a filter lets through; None for all."""

    numbers: NDArray[np.int64] | None


_EMPTY = Generation(("", ""), ())


def commit(db: Connection) -> None:
    """Make a change true, and let readers know that there is one."""
    generation = int(catalogue.facts_of(db)["generation"]) + 1
    catalogue.set_facts(db, {"generation": str(generation)})
    db.commit()


def _with_documents(db: Connection, found: Sequence[tuple[int, float]]) -> list[tuple[Document, float]]:
    chunks = catalogue.chunks_in(db, "number", [number for number, _ in found])
    return [(chunks[number], score) for number, score in found if number in chunks]
