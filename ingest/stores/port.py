"""What the rest of larkwise needs of a collection, whichever engine holds its vectors."""

from __future__ import annotations

import uuid
from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.vectorstores import VectorStore
from numpy.typing import NDArray

from ingest.documents import embedding_text

Vectors: TypeAlias = NDArray[np.float32]
CALIBRATION = "calibration"
"""The fact that holds a collection's own fit of the confidence; it is about its vectors, and ends with them."""
Filter: TypeAlias = Mapping[str, Any] | Callable[[Document], bool]
"""What chunks must be like; see `ingest.stores.filters`."""


@dataclass(frozen=True, slots=True)
class Source:
    """
    Where a document was found: `key` tells it apart (an absolute path, a URL), `name` is what a person calls it.

    `version` is what it was like when it was read, where it can say so without being read again. `shelves` are the
    places in which it was listed, in alphabetical order, where a listing has a name for its own: the same page may be
    found in two wikis.
    """

    key: str
    name: str
    version: str = ""
    shelves: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StoredDocument:
    """
    A document as it was ingested.

    `digest` is of its bytes and of what made chunks of them. The same content found twice is one document with two
    `sources`, ordered by name; the first gives it its name. `labels` are what whoever ingested it says of it.
    """

    id: str
    digest: str
    title: str
    sources: tuple[Source, ...]
    is_titled_by_name: bool = False
    """It says no title itself, so the name of its first source is its title."""
    labels: Mapping[str, Any] = field(default_factory=dict)

    @property
    def source(self) -> str:
        """What a person calls it."""
        return self.sources[0].name if self.sources else self.id


@dataclass(slots=True)
class Change:
    """What one write transaction is to do, in the order of its fields; filled by whoever holds `writing`."""

    forget: list[str] = field(default_factory=list)
    """Document ids: the documents go with their sources and all their chunks."""
    delete: list[str] = field(default_factory=list)
    """Chunk ids; unknown ones are no error."""
    record: list[StoredDocument] = field(default_factory=list)
    """A document that is there gets these facts and sources, and keeps its chunks."""
    add: list[tuple[Document, Vectors]] = field(default_factory=list)
    """Chunks with an id, and their unit vectors; an id that is there is replaced."""

    @property
    def is_empty(self) -> bool:
        return not (self.forget or self.delete or self.record or self.add)


class KnowledgeStore(VectorStore):
    """
    A LangChain vector store that knows documents as well: what they are, where they came from, which chunks are theirs.

    A chunk that is found says in its metadata what it was stored with, and of its document the `document_id`, its
    `source`, all `sources` where there are several, and its labels.
    """

    name: str
    """The collection's."""

    @abstractmethod
    def search_by_vector(
        self, vector: Sequence[float], k: int, *, filter: Filter | None = None
    ) -> list[tuple[Document, float]]:
        """The `k` chunks with the largest inner product, best first; `filter` chooses before the search."""

    @abstractmethod
    def documents(self) -> list[StoredDocument]:
        """Every document, by the name of its source."""

    @abstractmethod
    def document(self, document_id: str) -> StoredDocument | None:
        """One of them, where there is one of this id."""

    @abstractmethod
    def chunks_of(self, document_id: str) -> list[Document]:
        """A document's chunks in their order."""

    @abstractmethod
    def chunk_counts(self) -> dict[str, int]:
        """How many chunks each document has, by its id."""

    @abstractmethod
    def count(self) -> int:
        """How many chunks there are."""

    @abstractmethod
    def facts(self) -> dict[str, str]:
        """The collection's manifest: embedding, dimension, splitter, generation …"""

    @abstractmethod
    def note(self, facts: Mapping[str, str]) -> None:
        """Write something into the manifest."""

    @abstractmethod
    def check(self) -> None:
        """
        Raises:
            CollectionCorrupt: it is damaged, as far as can be told at once.
        """

    @abstractmethod
    def writing(self) -> AbstractContextManager[Change]:
        """
        Collect a change; it becomes true as a whole when the block ends, or not at all when it raises.

        Raises:
            CollectionBusy: another process or thread is writing.
        """

    @property
    @abstractmethod
    def embeddings(self) -> Embeddings:
        """What makes its vectors."""

    # LangChain's own face, on the above

    def similarity_search(self, query: str, k: int = 4, **kwargs: Any) -> list[Document]:
        return [document for document, _ in self.similarity_search_with_score(query, k, **kwargs)]

    def similarity_search_with_score(
        self, query: str, k: int = 4, *, filter: Filter | None = None, **kwargs: Any
    ) -> list[tuple[Document, float]]:
        """The `k` nearest chunks, best first; see `ingest.stores.filters` for what a filter says."""
        return self.search_by_vector(self.embeddings.embed_query(query), k, filter=filter)

    def similarity_search_by_vector(self, embedding: list[float], k: int = 4, **kwargs: Any) -> list[Document]:
        return [document for document, _ in self.search_by_vector(embedding, k, filter=kwargs.get("filter"))]

    def max_marginal_relevance_search(
        self, query: str, k: int = 4, fetch_k: int = 20, lambda_mult: float = 0.5, **kwargs: Any
    ) -> list[Document]:
        return self.max_marginal_relevance_search_by_vector(
            self.embeddings.embed_query(query), k, fetch_k, lambda_mult, **kwargs
        )

    def add_texts(
        self,
        texts: Iterable[str],
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: list[str] | None = None,
        **kwargs: Any,
    ) -> list[str]:
        texts = list(texts)
        metadatas = metadatas or [{} for _ in texts]
        names = [given or str(uuid.uuid4()) for given in ids or [""] * len(texts)]
        chunks = [
            Document(text, metadata=metadata, id=name)
            for text, metadata, name in zip(texts, metadatas, names, strict=True)
        ]
        vectors = self.embed(chunks)  # before the lock: others can write meanwhile
        with self.writing() as change:
            change.add.extend(zip(chunks, vectors, strict=True))
        return names

    def delete(self, ids: list[str] | None = None, **kwargs: Any) -> bool:
        """Ids that are not there are no error; without `ids` nothing is deleted."""
        with self.writing() as change:
            change.delete.extend(ids or [])
        return True

    def embed(self, chunks: Sequence[Document]) -> Vectors:
        """Unit vectors, (chunks, dimension), of what stands in the chunks and above them."""
        if not chunks:
            return np.zeros((0, 1), dtype=np.float32)
        return unit(self.embeddings.embed_documents([embedding_text(chunk) for chunk in chunks]))


def unit(vectors: Sequence[Sequence[float]] | Vectors) -> Vectors:
    """The same directions, of length 1; a vector of zeros stays as it is."""
    array = np.array(vectors, dtype=np.float32)
    lengths = np.linalg.norm(array, axis=-1, keepdims=True)
    result: Vectors = array / np.maximum(lengths, np.finfo(np.float32).tiny)
    return result
