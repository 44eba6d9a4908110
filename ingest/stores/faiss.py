"""
Vectors on FAISS, for one machine: no pickle, nothing half-written, many readers beside one writer.

A collection is a folder:

- `collection.sqlite3` holds documents, chunks and the name of the index file that belongs to them; its commit
  is the moment at which a change becomes true.
- `vectors-<generation>.faiss` holds the vectors by number. A change writes the next one, whole and flushed to
  the disk, before the commit that names it; readers of the old one go on undisturbed.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import threading
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import faiss
import numpy as np
from filelock import FileLock, Timeout
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.vectorstores import VectorStore
from langchain_core.vectorstores.utils import maximal_marginal_relevance
from numpy.typing import NDArray

from ingest.errors import CollectionBusy, CollectionCorrupt, CollectionError, EmbeddingMismatch, StorageFull
from ingest.stores.disk import storage_explained, storage_message, write_durably

Vectors = NDArray[np.float32]
Filter = dict[str, Any] | Callable[[Document], bool]

DATABASE = "collection.sqlite3"
_SCHEMA = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE documents (
    id TEXT PRIMARY KEY, source TEXT NOT NULL, path TEXT NOT NULL, digest TEXT NOT NULL, title TEXT NOT NULL);
CREATE TABLE chunks (
    vector_id INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, document_id TEXT,
    text TEXT NOT NULL, metadata TEXT NOT NULL);
CREATE INDEX chunks_by_document ON chunks (document_id);
"""
_DISK_TROUBLE = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY}
"""What SQLite says of a disk that is full, read-only or failing, and not of a file that is damaged."""
_KEPT_GENERATIONS = 2
_IDS_A_QUERY = 500


@dataclass(frozen=True, slots=True)
class StoredDocument:
    """A document as it was ingested; `digest` is the sha256 of its bytes."""

    id: str
    source: str
    path: str
    digest: str
    title: str


@dataclass(slots=True)
class Change:
    """What one write transaction is to do; filled by whoever holds `FaissStore.writing`."""

    add: list[tuple[Document, Vectors]] = field(default_factory=list)
    """Chunks with an id, and their normalized vectors; an id that is there is replaced."""
    delete: list[str] = field(default_factory=list)
    """Chunk ids; unknown ones are no error."""
    forget: list[str] = field(default_factory=list)
    """Document ids: the documents go with all their chunks, before `add` is done."""
    record: list[StoredDocument] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Generation:
    number: int
    sha256: str
    """Of the index file; a collection that was deleted and made again counts from 1 again, with other vectors."""
    index: Any  # faiss.IndexIDMap2 over IndexFlatIP


class FaissStore(VectorStore):
    """
    A LangChain vector store over one folder; scores are inner products of unit vectors, -1..1.

    Filters choose before the search, so `k` results come as long as `k` chunks match. Safe to use from several
    threads and processes: one writes at a time (another waits `lock_timeout_s`, then gets `CollectionBusy`),
    and readers see the state before or after a change, never between.

    Raises:
        EmbeddingMismatch: the collection was made with another embedding model.
        CollectionCorrupt: a file of it is damaged or gone.
        StorageFull: the disk is full or not writable; what was there before is unharmed.
    """

    def __init__(self, folder: Path, embedding: Embeddings, *, embedding_name: str, lock_timeout_s: float = 5) -> None:
        self.folder = folder
        self._embedding = embedding
        self._embedding_name = embedding_name
        self._lock_timeout_s = lock_timeout_s
        self._loaded: _Generation | None = None
        self._loading = threading.Lock()
        if (folder / DATABASE).exists():
            with self._reading() as db:
                self._check_embedding(db)
        else:
            self._create()

    # reading

    @property
    def embeddings(self) -> Embeddings:
        return self._embedding

    def similarity_search(self, query: str, k: int = 4, **kwargs: Any) -> list[Document]:
        return [document for document, _ in self.similarity_search_with_score(query, k, **kwargs)]

    def similarity_search_with_score(
        self, query: str, k: int = 4, *, filter: Filter | None = None, **kwargs: Any
    ) -> list[tuple[Document, float]]:
        """The `k` nearest chunks, best first; `filter` is a dict that metadata must equal, or a predicate."""
        return self.search_by_vector(self._embedding.embed_query(query), k, filter=filter)

    def similarity_search_by_vector(self, embedding: list[float], k: int = 4, **kwargs: Any) -> list[Document]:
        return [document for document, _ in self.search_by_vector(embedding, k, filter=kwargs.get("filter"))]

    def search_by_vector(
        self, vector: Sequence[float], k: int, *, filter: Filter | None = None
    ) -> list[tuple[Document, float]]:
        """As `similarity_search_with_score`, for a vector."""
        with self._reading() as db:
            return [(document, score) for document, score, _ in self._search(db, vector, k, filter)]

    def max_marginal_relevance_search(
        self, query: str, k: int = 4, fetch_k: int = 20, lambda_mult: float = 0.5, **kwargs: Any
    ) -> list[Document]:
        return self.max_marginal_relevance_search_by_vector(
            self._embedding.embed_query(query), k, fetch_k, lambda_mult, **kwargs
        )

    def max_marginal_relevance_search_by_vector(
        self, embedding: list[float], k: int = 4, fetch_k: int = 20, lambda_mult: float = 0.5, **kwargs: Any
    ) -> list[Document]:
        """Near the query and unlike each other (Carbonell and Goldstein, 1998)."""
        with self._reading() as db:
            generation = self._generation(db)
            found = self._search(db, embedding, fetch_k, kwargs.get("filter"))
            vectors = [generation.index.reconstruct(vector_id) for _, _, vector_id in found]
        if not found:
            return []
        chosen = maximal_marginal_relevance(_unit([embedding])[0], vectors, lambda_mult, k)
        return [found[place][0] for place in chosen]

    def get_by_ids(self, ids: Sequence[str], /) -> list[Document]:
        """Those of the chunks that exist, in the order of `ids`."""
        with self._reading() as db:
            found = {row["id"]: _document(row) for row in _rows_in(db, "id", ids)}
        return [found[chunk_id] for chunk_id in ids if chunk_id in found]

    def documents(self) -> list[StoredDocument]:
        """Every document, by source."""
        with self._reading() as db:
            rows = db.execute("SELECT id, source, path, digest, title FROM documents ORDER BY source").fetchall()
        return [StoredDocument(*row) for row in rows]

    def count(self) -> int:
        """How many chunks there are."""
        with self._reading() as db:
            return int(db.execute("SELECT count(*) FROM chunks").fetchone()[0])

    def check(self) -> None:
        """
        Raises:
            CollectionCorrupt: the index is not the one that the database names, or holds other chunks.
        """
        with self._reading() as db:
            index = self._generation(db).index
            chunks = int(db.execute("SELECT count(*) FROM chunks").fetchone()[0])
        if index.ntotal != chunks:
            raise CollectionCorrupt(self._corrupt(f"its index has {index.ntotal} vectors for {chunks} chunks"))

    def facts(self) -> dict[str, str]:
        """What the collection says of itself: embedding, dimension, generation …"""
        with self._reading() as db:
            return dict(db.execute("SELECT name, value FROM meta").fetchall())

    # writing

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
        vectors = self.embed(texts)  # before the lock: others can write meanwhile
        with self.writing() as change:
            change.add.extend(zip(chunks, vectors, strict=True))
        return names

    def delete(self, ids: list[str] | None = None, **kwargs: Any) -> bool:
        """Ids that are not there are no error; without `ids` nothing is deleted."""
        with self.writing() as change:
            change.delete.extend(ids or [])
        return True

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors, (texts, dimension)."""
        return _unit(self._embedding.embed_documents(list(texts)))

    @contextmanager
    def writing(self) -> Iterator[Change]:
        """
        Collect a change; it becomes true as a whole when the block ends, or not at all when it raises.

        Raises:
            CollectionBusy: another process or thread is writing.
        """
        lock = FileLock(self.folder / "write.lock")
        try:
            with storage_explained(self.folder), lock.acquire(timeout=self._lock_timeout_s):
                change = Change()
                yield change
                with self._connection() as db:
                    self._apply(db, change)
        except Timeout as error:
            raise CollectionBusy(
                f"another process is writing to the collection {self.folder.name!r}: try again when it is done"
            ) from error

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

    def _apply(self, db: sqlite3.Connection, change: Change) -> None:
        self._check_embedding(db)
        generation = self._generation(db)
        index = faiss.clone_index(generation.index)
        doomed = [row["vector_id"] for row in _rows_in(db, "document_id", change.forget)]
        replaced = [*change.delete, *(str(document.id) for document, _ in change.add)]
        doomed += [row["vector_id"] for row in _rows_in(db, "id", replaced)]
        if not doomed and not change.add and not change.record and not change.forget:
            return
        if doomed:
            index.remove_ids(faiss.IDSelectorBatch(np.array(doomed, dtype=np.int64)))
            db.executemany("DELETE FROM chunks WHERE vector_id = ?", [(doom,) for doom in doomed])
        db.executemany("DELETE FROM documents WHERE id = ?", [(name,) for name in change.forget])
        db.executemany(
            "INSERT OR REPLACE INTO documents (id, source, path, digest, title) VALUES (?, ?, ?, ?, ?)",
            [(d.id, d.source, d.path, d.digest, d.title) for d in change.record],
        )
        added = {str(document.id): (document, vector) for document, vector in change.add}  # the last of an id counts
        if added:
            numbers = [_insert(db, document) for document, _ in added.values()]
            vectors = np.stack([vector for _, vector in added.values()])
            if index.ntotal == 0:
                index = _empty_index(vectors.shape[1])
            index.add_with_ids(vectors, np.array(numbers, dtype=np.int64))
        self._publish(db, generation.number + 1, index)

    def _publish(self, db: sqlite3.Connection, number: int, index: Any) -> None:
        data = faiss.serialize_index(index).tobytes()
        generation = _Generation(number, hashlib.sha256(data).hexdigest(), index)
        write_durably(self._index_file(number), data)
        facts = {
            "generation": str(number),
            "index_sha256": generation.sha256,
            "dimension": str(index.d),
        }
        db.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", facts.items())
        db.commit()
        self._loaded = generation
        for old in self.folder.glob("vectors-*"):
            of = old.stem.removeprefix("vectors-")
            if not of.isdecimal() or int(of) <= number - _KEPT_GENERATIONS:
                old.unlink(missing_ok=True)

    def _create(self) -> None:
        with storage_explained(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            with FileLock(self.folder / "write.lock"):
                if (self.folder / DATABASE).exists():
                    return
                # built aside and renamed, so that a crash leaves either no collection or a whole one
                fresh = self.folder / f".{DATABASE}.new"
                fresh.unlink(missing_ok=True)
                try:
                    self._write_empty(fresh)
                except sqlite3.DatabaseError as error:
                    raise self._explained(error) from error
                os.replace(fresh, self.folder / DATABASE)  # noqa: PTH105 - says that it replaces

    def _write_empty(self, path: Path) -> None:
        with closing(sqlite3.connect(path)) as db:
            db.executescript(_SCHEMA)
            empty = {
                "format": "1",
                "embedding": self._embedding_name,
                "generation": "0",
                "dimension": "0",
            }
            db.executemany("INSERT INTO meta VALUES (?, ?)", empty.items())
            db.commit()
            db.execute("PRAGMA journal_mode = WAL")

    # the database and the index that it names

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        path = self.folder / DATABASE
        if not path.exists():
            raise CollectionCorrupt(self._corrupt("its database is gone"))
        db = None
        try:
            db = sqlite3.connect(path, isolation_level="IMMEDIATE", check_same_thread=False)
            db.row_factory = sqlite3.Row
            db.execute("PRAGMA synchronous = FULL")
            yield db
        except sqlite3.DatabaseError as error:
            raise self._explained(error) from error
        finally:
            if db is not None:
                db.close()

    def _explained(self, error: sqlite3.DatabaseError) -> CollectionError:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the rest says where in SQLite it happened
        if code in _DISK_TROUBLE:
            return StorageFull(storage_message(self.folder, str(error)))
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            return CollectionBusy(f"the collection {self.folder.name!r} is busy: try again")
        return CollectionCorrupt(self._corrupt(f"its database cannot be read ({error})"))

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        """One read transaction: index and rows of the same moment."""
        with self._connection() as db:
            db.isolation_level = None
            db.execute("BEGIN")
            yield db

    def _generation(self, db: sqlite3.Connection) -> _Generation:
        facts = dict(db.execute("SELECT name, value FROM meta").fetchall())
        number = int(facts["generation"])
        with self._loading:
            sha256 = facts.get("index_sha256", "")
            if self._loaded is None or (self._loaded.number, self._loaded.sha256) != (number, sha256):
                self._loaded = self._load(number, sha256)
            return self._loaded

    def _load(self, number: int, sha256: str) -> _Generation:
        if number == 0:
            return _Generation(0, sha256, _empty_index(1))
        try:
            data = self._index_file(number).read_bytes()
        except OSError as error:
            raise CollectionCorrupt(self._corrupt(f"its index file is gone ({error})")) from error
        if hashlib.sha256(data).hexdigest() != sha256:
            raise CollectionCorrupt(self._corrupt("its index file is damaged"))
        return _Generation(number, sha256, faiss.deserialize_index(np.frombuffer(data, dtype=np.uint8)))

    def _corrupt(self, what: str) -> str:
        return (
            f"the collection {self.folder.name!r} cannot be used: {what}. Restore {self.folder} from a backup, or run "
            f"`larkwise collections delete {self.folder.name}` and ingest the documents again"
        )

    def _index_file(self, number: int) -> Path:
        return self.folder / f"vectors-{number}.faiss"

    def _check_embedding(self, db: sqlite3.Connection) -> None:
        row = db.execute("SELECT value FROM meta WHERE name = 'embedding'").fetchone()
        if row is None:
            raise CollectionCorrupt(self._corrupt("its database lacks the name of its embedding model"))
        if row[0] != self._embedding_name:
            raise EmbeddingMismatch(self.folder.name, made_with=row[0], asked_with=self._embedding_name)

    def _search(
        self, db: sqlite3.Connection, vector: Sequence[float], k: int, chosen: Filter | None
    ) -> list[tuple[Document, float, int]]:
        generation = self._generation(db)
        k = min(k, generation.index.ntotal)
        if k < 1:
            return []
        parameters = None
        if chosen is not None:
            matching = _matching(db, chosen)
            k = min(k, len(matching))
            if k < 1:
                return []
            selector = faiss.IDSelectorBatch(np.array(matching, dtype=np.int64))
            parameters = faiss.SearchParameters()
            parameters.sel = selector
        scores, numbers = generation.index.search(_unit([vector]), k, params=parameters)
        wanted = [int(number) for number in numbers[0] if number >= 0]
        rows = {row["vector_id"]: row for row in _rows_in(db, "vector_id", wanted)}
        return [
            (_document(rows[number]), float(score), number)
            for number, score in zip(wanted, scores[0], strict=False)
            if number in rows
        ]


def _empty_index(dimension: int) -> Any:
    return faiss.IndexIDMap2(faiss.IndexFlatIP(dimension))


def _unit(vectors: Sequence[Sequence[float]]) -> Vectors:
    array = np.array(vectors, dtype=np.float32)
    lengths = np.linalg.norm(array, axis=-1, keepdims=True)
    unit: Vectors = array / np.maximum(lengths, np.finfo(np.float32).tiny)
    return unit


def _insert(db: sqlite3.Connection, document: Document) -> int:
    metadata = json.dumps(document.metadata, ensure_ascii=False)
    cursor = db.execute(
        "INSERT INTO chunks (id, document_id, text, metadata) VALUES (?, ?, ?, ?)",
        (document.id, document.metadata.get("document_id"), document.page_content, metadata),
    )
    return int(cursor.lastrowid or 0)


def _rows_in(db: sqlite3.Connection, column: str, values: Sequence[Any]) -> list[sqlite3.Row]:
    """The chunks whose `column` is one of `values`, however many there are."""
    rows: list[sqlite3.Row] = []
    for start in range(0, len(values), _IDS_A_QUERY):
        some = values[start : start + _IDS_A_QUERY]
        marks = ", ".join("?" * len(some))
        rows += db.execute(f"SELECT * FROM chunks WHERE {column} IN ({marks})", some)  # noqa: S608 - our own names
    return rows


def _document(row: sqlite3.Row) -> Document:
    return Document(row["text"], metadata=_metadata(row), id=row["id"])


def _metadata(row: sqlite3.Row) -> dict[str, Any]:
    try:
        metadata: dict[str, Any] = json.loads(row["metadata"])
    except ValueError as error:
        raise sqlite3.DatabaseError(f"the metadata of the chunk {row['id']} is damaged") from error
    return metadata


def _matching(db: sqlite3.Connection, chosen: Filter) -> list[int]:
    rows = db.execute("SELECT * FROM chunks")
    if callable(chosen):
        return [row["vector_id"] for row in rows if chosen(_document(row))]
    return [row["vector_id"] for row in rows if _equals(_metadata(row), chosen)]


def _equals(metadata: dict[str, Any], wanted: dict[str, Any]) -> bool:
    return all(name in metadata and metadata[name] == value for name, value in wanted.items())
