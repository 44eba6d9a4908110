"""A collection's database: documents, their sources and chunks, and which files hold their vectors."""

from __future__ import annotations

import json
import os
import sqlite3
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from langchain_core.documents import Document
from numpy.typing import NDArray

from ingest.errors import CollectionBusy, CollectionCorrupt, CollectionError, StorageFull
from ingest.stores.disk import storage_message
from ingest.stores.port import Source, StoredDocument
from ingest.stores.segments import SegmentFacts

DATABASE = "collection.sqlite3"
FORMAT = "2"
_SCHEMA = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE documents (
    id TEXT PRIMARY KEY, digest TEXT NOT NULL, title TEXT NOT NULL, titled_by_name INTEGER NOT NULL,
    labels TEXT NOT NULL);
CREATE TABLE sources (
    key TEXT PRIMARY KEY, document_id TEXT NOT NULL, name TEXT NOT NULL, version TEXT NOT NULL DEFAULT '',
    shelves TEXT NOT NULL DEFAULT '[]');
CREATE INDEX sources_by_document ON sources (document_id);
CREATE TABLE chunks (
    number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, document_id TEXT,
    text TEXT NOT NULL, metadata TEXT NOT NULL);
CREATE INDEX chunks_by_document ON chunks (document_id);
CREATE TABLE segments (
    name TEXT PRIMARY KEY, first INTEGER NOT NULL, rows INTEGER NOT NULL, sha256 TEXT NOT NULL,
    coarse_kind TEXT NOT NULL, coarse_sha256 TEXT NOT NULL);
CREATE TABLE dead (number INTEGER PRIMARY KEY);
"""
_LATER = {"version": "''", "shelves": "'[]'"}
"""Columns of sources that collections of before have not, and what stands in them where nothing is known."""
_DISK_TROUBLE = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY}
"""What SQLite says of a disk that is full, read-only or failing, and not of a file that is damaged."""
_VALUES_A_QUERY = 500
_MEMBER = "member"
"""In a chunk's metadata: its path within an archive or letter, below the document's own name."""


class Catalogue:
    """
    The database of one folder; every method of it raises what `reading` raises.

    Raises:
        CollectionCorrupt: the database is damaged or gone, or of another version of larkwise.
        CollectionBusy: another process holds it.
        StorageFull: the disk is full or not writable.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def exists(self) -> bool:
        return (self.folder / DATABASE).exists()

    def create(self, facts: Mapping[str, str]) -> None:
        """Built aside and renamed, so that a crash leaves either no collection or a whole one."""
        fresh = self.folder / f".{DATABASE}.new"
        fresh.unlink(missing_ok=True)
        try:
            with closing(sqlite3.connect(fresh)) as db:
                db.executescript(_SCHEMA)
                # "made" tells a collection that was deleted and made again from the one before
                own = {"format": FORMAT, "generation": "0", "segment": "0", "dimension": "0", "made": uuid.uuid4().hex}
                db.executemany("INSERT INTO meta VALUES (?, ?)", {**own, **facts}.items())
                db.commit()
                db.execute("PRAGMA journal_mode = WAL")
        except sqlite3.DatabaseError as error:
            raise self._explained(error) from error
        os.replace(fresh, self.folder / DATABASE)  # noqa: PTH105 - says that it replaces

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """One read transaction: everything is of the same moment."""
        with self.connection() as db:
            db.isolation_level = None
            db.execute("BEGIN")
            yield db

    @contextmanager
    def connection(self) -> Iterator[sqlite3.Connection]:
        """A change is made by `commit`; without it nothing is."""
        path = self.folder / DATABASE
        if not path.exists():
            raise CollectionCorrupt(self.corrupt("its database is gone"))
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
        return CollectionCorrupt(self.corrupt(f"its database cannot be read ({error})"))

    def corrupt(self, what: str) -> str:
        """What to do about damage."""
        name = self.folder.name
        return (
            f"the collection {name!r} cannot be used: {what}. Try `larkwise collections repair {name}`, restore it "
            f"from a backup, or run `larkwise collections delete {name}` and ingest the documents again"
        )


# what the database says


def facts_of(db: sqlite3.Connection) -> dict[str, str]:
    return dict(db.execute("SELECT name, value FROM meta").fetchall())


def set_facts(db: sqlite3.Connection, facts: Mapping[str, str]) -> None:
    db.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", facts.items())


def documents_of(db: sqlite3.Connection, ids: Sequence[str] | None = None) -> dict[str, StoredDocument]:
    """All of them, or those of the `ids` that are there."""
    if ids is None:
        rows = db.execute("SELECT * FROM documents").fetchall()
        source_rows = db.execute("SELECT * FROM sources").fetchall()
    else:
        rows = rows_in(db, "documents", "id", ids)
        source_rows = rows_in(db, "sources", "document_id", ids)
    sources: dict[str, list[Source]] = {}
    for row in source_rows:
        sources.setdefault(row["document_id"], []).append(_source(row))
    return {
        row["id"]: StoredDocument(
            id=row["id"],
            digest=row["digest"],
            title=row["title"],
            sources=in_order(sources.get(row["id"], ())),
            is_titled_by_name=bool(row["titled_by_name"]),
            labels=_json(row["labels"], row["id"]),
        )
        for row in rows
    }


def in_order(sources: Iterable[Source]) -> tuple[Source, ...]:
    """By name, as `StoredDocument.sources` wants them."""
    return tuple(sorted(sources, key=lambda source: (source.name, source.key)))


def chunks_in(db: sqlite3.Connection, column: str, values: Sequence[Any]) -> dict[int, Document]:
    """The chunks whose `column` is one of `values`, by number, with what their documents say of them."""
    rows = rows_in(db, "chunks", column, values)
    documents = documents_of(db, sorted({row["document_id"] for row in rows if row["document_id"]}))
    return {row["number"]: chunk_of(row, documents.get(row["document_id"] or "")) for row in rows}


def chunk_of(row: sqlite3.Row, document: StoredDocument | None) -> Document:
    metadata = _json(row["metadata"], row["id"])
    if document is not None:
        member = metadata.pop(_MEMBER, None)
        names = [f"{source.name}/{member}" if member else source.name for source in document.sources]
        several = {"sources": names} if len(names) > 1 else {}
        own = {"document_id": document.id, "source": names[0] if names else document.id}
        metadata = {**metadata, **document.labels, **several, **own}
    return Document(row["text"], metadata=metadata, id=row["id"])


def insert_chunk(db: sqlite3.Connection, chunk: Document, document: StoredDocument | None) -> int:
    """The number of a new chunk; what its document says of it is not said again."""
    metadata = dict(chunk.metadata)
    document_id = metadata.get("document_id")
    if document is not None:
        source = str(metadata.pop("source", ""))
        members = [source.removeprefix(f"{one.name}/") for one in document.sources if source.startswith(f"{one.name}/")]
        for name in ("document_id", "sources", *document.labels):
            metadata.pop(name, None)
        metadata |= {_MEMBER: members[0]} if members else {}
    cursor = db.execute(
        "INSERT INTO chunks (id, document_id, text, metadata) VALUES (?, ?, ?, ?)",
        (chunk.id, document_id, chunk.page_content, json.dumps(metadata, ensure_ascii=False)),
    )
    return int(cursor.lastrowid or 0)


def record_document(db: sqlite3.Connection, document: StoredDocument) -> None:
    labels = json.dumps(dict(document.labels), ensure_ascii=False, sort_keys=True)
    db.execute(
        "INSERT OR REPLACE INTO documents (id, digest, title, titled_by_name, labels) VALUES (?, ?, ?, ?, ?)",
        (document.id, document.digest, document.title, document.is_titled_by_name, labels),
    )
    _make_room(db)
    db.execute("DELETE FROM sources WHERE document_id = ?", (document.id,))
    db.executemany(
        "INSERT OR REPLACE INTO sources (key, document_id, name, version, shelves) VALUES (?, ?, ?, ?, ?)",
        [(one.key, document.id, one.name, one.version, json.dumps(one.shelves)) for one in document.sources],
    )


def forget_documents(db: sqlite3.Connection, ids: Sequence[str]) -> None:
    db.executemany("DELETE FROM documents WHERE id = ?", [(one,) for one in ids])
    db.executemany("DELETE FROM sources WHERE document_id = ?", [(one,) for one in ids])


def delete_chunks(db: sqlite3.Connection, numbers: Sequence[int]) -> None:
    """Their vectors stay in their segments, and count as dead."""
    marks = [(number,) for number in numbers]
    db.executemany("DELETE FROM chunks WHERE number = ?", marks)
    db.executemany("INSERT OR IGNORE INTO dead VALUES (?)", marks)


def numbers_in(db: sqlite3.Connection, column: str, values: Sequence[Any]) -> list[int]:
    """Of the chunks whose `column` is one of `values`."""
    return [row["number"] for row in rows_in(db, "chunks", column, values)]


def count_chunks(db: sqlite3.Connection) -> int:
    return int(db.execute("SELECT count(*) FROM chunks").fetchone()[0])


def dead_numbers(db: sqlite3.Connection) -> NDArray[np.int64]:
    """Ascending."""
    return numbers(db.execute("SELECT number FROM dead ORDER BY number"))


def numbers(rows: Iterable[Any]) -> NDArray[np.int64]:
    """The first column of some rows."""
    return np.fromiter((row[0] for row in rows), dtype=np.int64)


def segments_of(db: sqlite3.Connection) -> list[SegmentFacts]:
    """Oldest first: their numbers ascend."""
    rows = db.execute("SELECT name, rows, sha256, coarse_kind, coarse_sha256 FROM segments ORDER BY first").fetchall()
    return [SegmentFacts(*row) for row in rows]


def register_segment(db: sqlite3.Connection, facts: SegmentFacts, first: int) -> None:
    """`first` is its lowest chunk number."""
    db.execute(
        "INSERT OR REPLACE INTO segments (name, first, rows, sha256, coarse_kind, coarse_sha256) "
        "VALUES (?, ?, ?, ?, ?, ?)",
        (facts.name, first, facts.rows, facts.sha256, facts.coarse_kind, facts.coarse_sha256),
    )


def drop_segments(db: sqlite3.Connection, names: Iterable[str]) -> None:
    db.executemany("DELETE FROM segments WHERE name = ?", [(name,) for name in names])


def next_segment_name(db: sqlite3.Connection) -> str:
    """Never given twice once the transaction is committed."""
    number = int(facts_of(db)["segment"]) + 1
    set_facts(db, {"segment": str(number)})
    return f"segment-{number}"


def rows_in(db: sqlite3.Connection, table: str, column: str, values: Sequence[Any]) -> list[sqlite3.Row]:
    """The rows whose `column` is one of `values`, however many there are."""
    rows: list[sqlite3.Row] = []
    for start in range(0, len(values), _VALUES_A_QUERY):
        some = values[start : start + _VALUES_A_QUERY]
        marks = ", ".join("?" * len(some))
        rows += db.execute(f"SELECT * FROM {table} WHERE {column} IN ({marks})", some)  # noqa: S608 - our own names
    return rows


def _source(row: sqlite3.Row) -> Source:
    told = dict(row)
    shelves = _json(told.get("shelves", "[]"), told["key"])
    return Source(told["key"], told["name"], told.get("version", ""), tuple(shelves))


def _make_room(db: sqlite3.Connection) -> None:
    """In a collection that was made when sources said less; whoever reads it without knowing of more still can."""
    there = {row["name"] for row in db.execute("PRAGMA table_info(sources)")}
    for column, nothing in _LATER.items():
        if column not in there:
            db.execute(f"ALTER TABLE sources ADD COLUMN {column} TEXT NOT NULL DEFAULT {nothing}")


def _json(text: str, of: str) -> Any:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise sqlite3.DatabaseError(f"the metadata of {of} is damaged") from error
    return value
