"""
Vectors in Milvus, for several machines: a server by its address, or Milvus Lite in one file of one process.

Everything of a collection is in Milvus: a collection of chunks, indexed as the project's sources have it (IVF_FLAT,
inner product, nlist 1024, nprobe 10), and one of records: documents, the manifest, and who is writing.

What Milvus does not allow, and FAISS does:

- A change is not one moment. While it is made, and after a crash in the middle, readers see the chunks of a document
  in part old and in part new, and its record without a digest; see `ingest.stores.milvus_changes`.
- One writer at a time rests on clocks; see `ingest.stores.milvus_lease`.
- There is no index of words: it has neither `keyword_search` nor `hybrid_search`; whoever needs one compares the words
  of the nearest chunks.
- A search without a filter compares `nprobe` of `nlist` lists of each segment and may miss a near chunk; one with a
  filter compares them all. It finds at most 16,384 chunks.
- A chunk holds at most 65,535 bytes of text and 64 KiB of metadata: a larger one is refused with `ChunkTooLarge`.
- A filter that is a function reads every chunk.

The class stands on pymilvus itself. langchain-milvus has no `get_by_ids`, adds a row again where its id is there, knows
no documents and no filters but Milvus' own expressions, and lets Milvus' exceptions through: under this port nothing
of it would be left but the call of `search`.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Self

from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.vectorstores.utils import maximal_marginal_relevance

from ingest.errors import CollectionCorrupt, NotSupported, StoreUnavailable
from ingest.stores.filters import check_filter
from ingest.stores.milvus_changes import Tables, carry_out, documents_in, plan
from ingest.stores.milvus_connection import Consistency, MilvusConnection, Row
from ingest.stores.milvus_filters import among
from ingest.stores.milvus_lease import Lease
from ingest.stores.milvus_manifest import Manifest
from ingest.stores.milvus_names import chunks_name, records_name
from ingest.stores.milvus_rows import (
    RECORD_FIELDS,
    RECORD_INDEX,
    SHOWN,
    chunk_fields,
    chunk_index,
    chunk_of,
    document_of,
)
from ingest.stores.milvus_search import MOST, Searcher
from ingest.stores.port import Change, Filter, KnowledgeStore, StoredDocument, unit

_PLACES_A_GENERATION = 2**24
_LOOK_AGAIN_S = 5.0
"""For so long a reader may miss that a collection was deleted and made again with another embedding model."""


class MilvusStore(KnowledgeStore):
    """
    A LangChain vector store over one collection of a Milvus server; scores are inner products of unit vectors, -1..1.

    Safe to use from several threads, processes and machines: one writes at a time (another waits `lock_timeout_s`,
    then gets `CollectionBusy`). Readers see every change that was finished before they asked; with another
    `consistency` than "Strong" they answer sooner (milliseconds instead of Milvus' 0.2 s) and may see it seconds later.
    `filtered_nprobe` is how many lists a search with a filter compares: all of them where it is None.

    Raises:
        EmbeddingMismatch: the collection was made with another embedding model.
        StoreUnavailable: Milvus does not answer.
        StorageFull: Milvus takes nothing in.
        CollectionCorrupt: a part of the collection is gone.
    """

    def __init__(
        self,
        connection: MilvusConnection,
        name: str,
        embedding: Embeddings,
        *,
        embedding_name: str,
        embedding_hash: str = "",
        nlist: int = 1024,
        nprobe: int = 10,
        filtered_nprobe: int | None = None,
        consistency: Consistency = "Strong",
        lock_timeout_s: float = 5,
    ) -> None:
        self.name = name
        self.connection = connection
        self._embedding = embedding
        self._consistency: Consistency = consistency
        self._lock_timeout_s = lock_timeout_s
        self._chunks, self._records = chunks_name(name), records_name(name)
        self._manifest = Manifest(connection, self._records, name, embedding_name, embedding_hash)
        self._searcher = Searcher(connection, self._chunks, nlist, nprobe, filtered_nprobe or nlist, consistency)
        self._dimension = 0
        """0 while no chunk was ever added, as far as this one knows."""
        self._looked_at_s = 0.0
        self._open()

    # reading

    @property
    def embeddings(self) -> Embeddings:
        return self._embedding

    def search_by_vector(
        self, vector: Sequence[float], k: int, *, filter: Filter | None = None
    ) -> list[tuple[Document, float]]:
        """
        As `similarity_search_with_score`, for a vector.

        Raises:
            NotSupported: more chunks are asked for than Milvus gives at once.
        """
        return [(chunk_of(row), score) for row, score in self._nearest(vector, k, filter, SHOWN)]

    def max_marginal_relevance_search_by_vector(
        self, embedding: list[float], k: int = 4, fetch_k: int = 20, lambda_mult: float = 0.5, **kwargs: Any
    ) -> list[Document]:
        """Near the query and unlike each other (Carbonell and Goldstein, 1998)."""
        found = self._nearest(embedding, fetch_k, kwargs.get("filter"), (*SHOWN, "embedding"))
        if not found:
            return []
        vectors = [row["embedding"] for row, _ in found]
        chosen = maximal_marginal_relevance(unit([embedding])[0], vectors, lambda_mult, k)
        return [chunk_of(found[place][0]) for place in chosen]

    def get_by_ids(self, ids: Sequence[str], /) -> list[Document]:
        """Those of the chunks that exist, in the order of `ids`."""
        found = {row["id"]: chunk_of(row) for row in self._chunk_rows(among("id", ids), SHOWN)} if ids else {}
        return [found[chunk_id] for chunk_id in ids if chunk_id in found]

    def documents(self) -> list[StoredDocument]:
        rows = self.connection.rows(self._records, 'kind == "document"', ["facts"], consistency=self._consistency)
        return sorted(map(document_of, rows), key=lambda document: (document.source, document.id))

    def document(self, document_id: str) -> StoredDocument | None:
        return documents_in(self._tables(), [document_id]).get(document_id)

    def chunks_of(self, document_id: str) -> list[Document]:
        rows = self._chunk_rows(among("document_id", [document_id]), (*SHOWN, "place"))
        return [chunk_of(row) for row in sorted(rows, key=lambda row: int(row["place"]))]

    def chunk_counts(self) -> dict[str, int]:
        """As in the port; it reads the ids of all chunks."""
        counts: dict[str, int] = {}
        for row in self._chunk_rows('document_id != ""', ("id", "document_id"), page=MOST):
            counts[row["document_id"]] = counts.get(row["document_id"], 0) + 1
        return counts

    def count(self) -> int:
        return self.connection.count(self._chunks, consistency=self._consistency) if self._has_chunks() else 0

    def facts(self) -> dict[str, str]:
        return self._manifest.read()

    def check(self) -> None:
        facts = self.facts()
        self._manifest.check(facts)
        dimension = int(facts["dimension"])
        there = self.connection.dimension(self._chunks, "embedding") if self.connection.has(self._chunks) else 0
        if dimension != there:
            raise CollectionCorrupt(
                self._manifest.corrupt(f"its vectors should have {dimension} dimensions, and have {there}")
            )

    # writing

    def note(self, facts: Mapping[str, str]) -> None:
        with self._turn():
            self._manifest.write({**self.facts(), **facts})

    @contextmanager
    def writing(self) -> Iterator[Change]:
        with self._turn() as lease:
            facts = self.facts()
            self._manifest.check(facts)
            change = Change()
            yield change
            if change.is_empty:
                return
            if not lease.renew():
                before, facts = facts, self.facts()
                if facts["generation"] != before["generation"]:
                    raise lease.lost()
            self._apply(change, facts, lease)

    @classmethod
    def from_texts(
        cls,
        texts: list[str],
        embedding: Embeddings,
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: list[str] | None = None,
        uri: str = "",
        name: str = "default",
        embedding_name: str = "",
        **kwargs: Any,
    ) -> Self:
        if not uri:
            raise ValueError("from_texts needs the server or file that the collection shall live in: uri=…")
        store = cls(MilvusConnection(uri), name, embedding, embedding_name=embedding_name or type(embedding).__name__)
        store.add_texts(texts, metadatas, ids=ids)
        return store

    # how

    def _nearest(
        self, vector: Sequence[float], k: int, wanted: Filter | None, fields: Sequence[str]
    ) -> list[tuple[Row, float]]:
        check_filter(wanted)
        if k < 1 or not self._has_chunks():
            return []
        if len(vector) != self._dimension:
            raise self._manifest.other_dimension(self._dimension, len(vector))
        if k > MOST and self.count() > MOST:
            raise NotSupported(f"Milvus finds at most {MOST} chunks at once, and {k} were asked for")
        return self._searcher.nearest([float(x) for x in unit([vector])[0]], k, wanted, fields)

    def _chunk_rows(self, where: str, fields: Sequence[str], *, page: int = 1_000) -> Iterator[Row]:
        if self._has_chunks():
            yield from self._searcher.rows(where, fields, page=page)

    def _has_chunks(self) -> bool:
        """Another machine may have added the first ones, or made the collection anew."""
        if not self._dimension or time.monotonic() - self._looked_at_s > _LOOK_AGAIN_S:
            self._look(self.facts())
        return bool(self._dimension)

    def _look(self, facts: Mapping[str, str]) -> None:
        self._manifest.check(facts)
        self._dimension = int(facts["dimension"])
        self._looked_at_s = time.monotonic()

    def _tables(self) -> Tables:
        return Tables(self.connection, self._chunks, self._records, self._has_chunks())

    def _apply(self, change: Change, facts: Mapping[str, str], lease: Lease) -> None:
        generation = int(facts["generation"]) + 1
        dimension = self._dimension_of(change, int(facts["dimension"]))
        planned = plan(self._tables(), change, first_place=generation * _PLACES_A_GENERATION)
        if dimension and not int(facts["dimension"]):
            self.connection.make(self._chunks, chunk_fields(dimension), chunk_index(self._searcher.nlist))
            facts = {**facts, "dimension": str(dimension)}
            self._manifest.write(facts)
            self._look(facts)
        carry_out(self._tables(), planned, between=lease.check)
        self._manifest.write({**facts, "generation": str(generation)})

    def _dimension_of(self, change: Change, known: int) -> int:
        for _, vector in change.add:
            if known and len(vector) != known:
                raise self._manifest.other_dimension(known, len(vector))
            known = known or len(vector)
        return known

    @contextmanager
    def _turn(self) -> Iterator[Lease]:
        lease = Lease(self.connection, self._records, name=self.name, wait_s=self._lock_timeout_s)
        lease.acquire()
        try:
            yield lease
        finally:
            with suppress(StoreUnavailable):  # it runs out by itself
                lease.release()

    def _open(self) -> None:
        self.connection.make(self._records, RECORD_FIELDS, RECORD_INDEX)
        self._look(self._manifest.find() or self._create())
        if self._dimension:
            self.connection.make(self._chunks, chunk_fields(self._dimension), chunk_index(self._searcher.nlist))

    def _create(self) -> dict[str, str]:
        with self._turn():
            if there := self._manifest.find():
                return there  # another process was faster
            self.connection.drop(self._chunks)  # of one whose deletion was interrupted
            return self._manifest.create()
