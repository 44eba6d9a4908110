"""
Making a change true in Milvus, which has no transactions, so that a crash leaves nothing that the next run misses.

1. Each document whose chunks are about to change is recorded without a digest: it is unfinished.
2. New, replaced and relabelled chunks are upserted by their ids: a second run writes the same rows.
3. Stale chunks are deleted.
4. Documents are recorded with their digests; those that are to be forgotten lose their records.
5. The manifest counts one more generation.

So no chunk of a document is ever there without its record, and after a crash between 1 and 4 the document has no
digest: it is ingested again, or forgotten again. Each request is seen whole or not at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from langchain_core.documents import Document

from ingest.stores.milvus_connection import MilvusConnection, Row
from ingest.stores.milvus_filters import among, literal
from ingest.stores.milvus_rows import (
    chunk_row,
    document_of,
    document_row,
    in_batches,
    record_id,
    shown_with,
)
from ingest.stores.port import Change, StoredDocument

_TEXTS_AN_EXPRESSION = 1_000
_IDS_A_PAGE = 16_000
"""Milvus gives at most 16,384 rows at a time."""
_STORED = ("id", "embedding", "text", "document_id", "own", "place")


@dataclass(frozen=True, slots=True)
class Tables:
    """Where a collection's rows are; there are no chunks before the first is added."""

    connection: MilvusConnection
    chunks: str
    records: str
    has_chunks: bool


@dataclass(frozen=True, slots=True)
class Plan:
    """What a change comes to."""

    unfinished: Sequence[Row]
    upserted: Sequence[Row]
    deleted: Sequence[str]
    """Chunk ids."""
    finished: Sequence[Row]
    removed: Sequence[str]
    """The ids of records."""


def plan(tables: Tables, change: Change, *, first_place: int) -> Plan:
    """
    Nothing is written yet.

    Raises:
        ChunkTooLarge: a field of Milvus cannot hold something of it.
    """
    added = {str(chunk.id): (chunk, vector) for chunk, vector in change.add}  # the last of an id counts
    forgotten = dict.fromkeys(change.forget)
    before = _documents_concerned(tables, change, [chunk for chunk, _ in added.values()])
    after = _documents_after(before, forgotten, change.record)
    retold = [
        one
        for one in after.values()
        if one.id not in forgotten and _says(one) != (_says(before[one.id]) if one.id in before else None)
    ]

    there = _chunks_of_documents(tables, [*forgotten, *(document.id for document in retold)])
    stale = [chunk_id for chunk_id, document_id in there.items() if document_id in forgotten]
    deleted = [one for one in dict.fromkeys([*stale, *change.delete]) if one not in added]
    kept = [one for one, home in there.items() if home not in forgotten and one not in added and one not in deleted]

    upserted = [
        chunk_row(chunk, vector, after.get(str(chunk.metadata.get("document_id", ""))), first_place + number)
        for number, (chunk, vector) in enumerate(added.values())
    ]
    upserted += [shown_with(row, after[row["document_id"]]) for row in _rows_of(tables, kept)]

    touched = {*(row["document_id"] for row in upserted), *(there[one] for one in deleted if one in there)}
    recorded = [one for one in after.values() if one != before.get(one.id)]
    gone = [one for one in forgotten if one in before and one not in after]
    unfinished = [one for one in recorded if one.id in touched] + [before[one] for one in gone]
    return Plan(
        unfinished=[document_row(one, is_finished=False) for one in unfinished],
        upserted=upserted,
        deleted=deleted,
        finished=[document_row(one, is_finished=True) for one in recorded],
        removed=[record_id(one) for one in gone],
    )


def carry_out(tables: Tables, planned: Plan, *, between: Callable[[], None]) -> None:
    """`between` is called before each request, and may raise to stop."""
    connection = tables.connection
    for name, rows in (
        (tables.records, planned.unfinished),
        (tables.chunks, planned.upserted),
    ):
        for batch in in_batches(rows):
            between()
            connection.upsert(name, batch)
    if tables.has_chunks:
        for ids in _parts(planned.deleted):
            between()
            connection.delete(tables.chunks, among("id", ids))
    for batch in in_batches(planned.finished):
        between()
        connection.upsert(tables.records, batch)
    for ids in _parts(planned.removed):
        between()
        connection.delete(tables.records, among("id", ids))


def documents_in(tables: Tables, ids: Iterable[str]) -> dict[str, StoredDocument]:
    """Those of the documents that are there, by id."""
    return {
        document.id: document
        for some in _parts(list(ids))
        for document in map(
            document_of, tables.connection.rows(tables.records, among("id", map(record_id, some)), ["facts"])
        )
    }


def _documents_concerned(tables: Tables, change: Change, added: Sequence[Document]) -> dict[str, StoredDocument]:
    """Those that the change names, those that its chunks belong to, and those whose sources it moves elsewhere."""
    homes = [str(chunk.metadata["document_id"]) for chunk in added if "document_id" in chunk.metadata]
    known = documents_in(tables, dict.fromkeys([*change.forget, *(document.id for document in change.record), *homes]))
    theirs = {source.key for document in known.values() for source in document.sources}
    keys = [source.key for document in change.record for source in document.sources if source.key not in theirs]
    for some in _parts(list(dict.fromkeys(keys))):
        where = f'json_contains_any(facts["keys"], [{", ".join(map(literal, some))}])'
        for row in tables.connection.rows(tables.records, f'kind == "document" and {where}', ["facts"]):
            document = document_of(row)
            known[document.id] = document
    return known


def _documents_after(
    before: Mapping[str, StoredDocument], forgotten: Iterable[str], recorded: Sequence[StoredDocument]
) -> dict[str, StoredDocument]:
    """A source belongs to one document: the last that was recorded with it."""
    after = dict(before)
    for document_id in forgotten:
        after.pop(document_id, None)
    for document in recorded:
        keys = {source.key for source in document.sources}
        for other in [one for one in after.values() if any(source.key in keys for source in one.sources)]:
            after[other.id] = replace(
                other, sources=tuple(source for source in other.sources if source.key not in keys)
            )
        in_order = tuple(sorted(document.sources, key=lambda source: (source.name, source.key)))
        after[document.id] = replace(document, sources=in_order)
    return after


def _says(document: StoredDocument) -> tuple[Any, ...]:
    """What its chunks say of it. Where it is unfinished, nobody knows what they say."""
    if not document.digest:
        return (object(),)
    return ([source.name for source in document.sources], dict(document.labels))


def _chunks_of_documents(tables: Tables, document_ids: Sequence[str]) -> dict[str, str]:
    """The ids of their chunks, and which document each belongs to."""
    if not tables.has_chunks:
        return {}
    return {
        row["id"]: row["document_id"]
        for some in _parts(document_ids)
        for row in tables.connection.rows(
            tables.chunks, among("document_id", some), ["id", "document_id"], page=_IDS_A_PAGE
        )
    }


def _rows_of(tables: Tables, ids: Sequence[str]) -> Iterator[Row]:
    for some in _parts(ids):
        for row in tables.connection.rows(tables.chunks, among("id", some), _STORED):
            yield {name: row[name] for name in _STORED}


def _parts(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(texts), _TEXTS_AN_EXPRESSION):
        yield texts[start : start + _TEXTS_AN_EXPRESSION]
