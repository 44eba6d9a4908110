"""How chunks and documents look as rows of Milvus."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import starmap
from typing import Any

from langchain_core.documents import Document

from ingest.errors import ChunkTooLarge
from ingest.stores.milvus_connection import Row
from ingest.stores.milvus_filters import facets_of, permissions_of
from ingest.stores.port import Source, StoredDocument

TEXT_BYTES = 65_535
JSON_BYTES = 65_536
ID_BYTES = 1_024
PERMISSIONS = 1_024
SHOWN = ("id", "text", "metadata")
"""What a found chunk is made of."""
MANIFEST = "manifest"
_TEXT = {"max_length": TEXT_BYTES}
_ID = {"max_length": ID_BYTES}
_MEMBER = "member"
"""In what a chunk says itself: its path within an archive or letter, below the document's own name."""
_FLAT = [0.0, 0.0]
"""Records have no vector, and Milvus has no rows without one."""
_BATCH_ROWS, _BATCH_BYTES = 500, 8 * 2**20

RECORD_FIELDS: Sequence[tuple[str, str, dict[str, Any]]] = (
    ("id", "VARCHAR", {"is_primary": True, **_ID}),
    ("kind", "VARCHAR", {"max_length": 32}),
    ("facts", "JSON", {}),
    ("flat", "FLOAT_VECTOR", {"dim": len(_FLAT)}),
)
RECORD_INDEX = {"field_name": "flat", "index_type": "FLAT", "metric_type": "IP", "params": {}}


def chunk_fields(dimension: int) -> Sequence[tuple[str, str, dict[str, Any]]]:
    """
    The schema of a collection's chunks.

    `metadata` is what a found chunk says, `own` the part that it said itself when it was added, `facets` what filters
    ask; `place` is its order among the others of its document.
    """
    return (
        ("id", "VARCHAR", {"is_primary": True, **_ID}),
        ("embedding", "FLOAT_VECTOR", {"dim": dimension}),
        ("text", "VARCHAR", _TEXT),
        ("document_id", "VARCHAR", _ID),
        ("permission", "ARRAY", {"element_type": "VARCHAR", "max_capacity": PERMISSIONS, **_ID}),
        ("metadata", "JSON", {}),
        ("own", "JSON", {}),
        ("facets", "JSON", {}),
        ("place", "INT64", {}),
    )


def chunk_index(nlist: int) -> dict[str, Any]:
    return {"field_name": "embedding", "index_type": "IVF_FLAT", "metric_type": "IP", "params": {"nlist": nlist}}


# chunks


def chunk_row(chunk: Document, vector: Iterable[float], document: StoredDocument | None, place: int) -> Row:
    """
    Raises:
        ChunkTooLarge: a field of Milvus cannot hold it.
    """
    own = _own(chunk.metadata, document)
    row = {
        "id": str(chunk.id),
        "embedding": [float(x) for x in vector],
        "text": chunk.page_content,
        "document_id": str(own.get("document_id", "")),
        "own": own,
        "place": place,
    }
    return shown_with(row, document)


def shown_with(row: Row, document: StoredDocument | None) -> Row:
    """
    The same chunk, saying what its document says now.

    Raises:
        ChunkTooLarge: a field of Milvus cannot hold it.
    """
    own = dict(row["own"])
    member = own.pop(_MEMBER, None) if document is not None else None
    metadata = own
    if document is not None:
        names = [f"{source.name}/{member}" if member else source.name for source in document.sources]
        several = {"sources": names} if len(names) > 1 else {}
        metadata |= {**document.labels, **several, "source": names[0] if names else document.id}
    made = {**row, "metadata": metadata, "facets": facets_of(metadata), "permission": permissions_of(metadata)}
    _check_size(made)
    return made


def chunk_of(row: Mapping[str, Any]) -> Document:
    return Document(row["text"], metadata=dict(row["metadata"]), id=row["id"])


def in_batches(rows: Iterable[Row]) -> Iterator[list[Row]]:
    """As many as one request may carry."""
    batch: list[Row] = []
    size = 0
    for row in rows:
        row_bytes = 4 * len(row.get("embedding", ())) + sum(
            len(json.dumps(value)) for name, value in row.items() if name != "embedding"
        )
        if batch and (len(batch) >= _BATCH_ROWS or size + row_bytes > _BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(row)
        size += row_bytes
    if batch:
        yield batch


def _own(metadata: Mapping[str, Any], document: StoredDocument | None) -> dict[str, Any]:
    """What a chunk says itself, in JSON's own types; what its document says of it is not said again."""
    own: dict[str, Any] = json.loads(json.dumps(metadata, ensure_ascii=False))
    if document is None:
        return own
    source = str(own.pop("source", ""))
    members = [source.removeprefix(f"{one.name}/") for one in document.sources if source.startswith(f"{one.name}/")]
    for name in ("sources", *document.labels):
        own.pop(name, None)
    return own | ({_MEMBER: members[0]} if members else {})


def _check_size(row: Row) -> None:
    text_bytes = len(row["text"].encode())
    if text_bytes > TEXT_BYTES:
        raise ChunkTooLarge(
            f"the chunk {row['id']!r} has {text_bytes} bytes of text, and Milvus holds {TEXT_BYTES}: split documents "
            "into smaller chunks"
        )
    for name in ("metadata", "own", "facets"):
        if len(json.dumps(row[name], ensure_ascii=False).encode()) > JSON_BYTES:
            raise ChunkTooLarge(
                f"the metadata of the chunk {row['id']!r} is too large: with what filters ask of it, Milvus holds "
                f"{JSON_BYTES} bytes"
            )
    if len(row["permission"]) > PERMISSIONS:
        raise ChunkTooLarge(f"the chunk {row['id']!r} has more than {PERMISSIONS} permissions: name groups of people")
    if any(len(one.encode()) > ID_BYTES for one in (row["id"], row["document_id"], *row["permission"])):
        raise ChunkTooLarge(f"an id or a permission of the chunk {row['id'][:80]!r} has more than {ID_BYTES} bytes")


# documents and the manifest


def record_id(document_id: str) -> str:
    return f"document:{document_id}"


def document_row(document: StoredDocument, *, is_finished: bool) -> Row:
    """
    An unfinished one has no digest: whoever compares it will ingest the document again.

    Raises:
        ChunkTooLarge: it has more sources or labels than a field of Milvus can hold.
    """
    facts = {
        "id": document.id,
        "digest": document.digest if is_finished else "",
        "title": document.title,
        "keys": [source.key for source in document.sources],
        "names": [source.name for source in document.sources],
        "is_titled_by_name": document.is_titled_by_name,
        "labels": json.loads(json.dumps(dict(document.labels), ensure_ascii=False)),
    }
    if any(source.version for source in document.sources):
        facts["versions"] = [source.version for source in document.sources]
    if any(source.shelves for source in document.sources):
        facts["shelves"] = [list(source.shelves) for source in document.sources]
    if len(json.dumps(facts, ensure_ascii=False).encode()) > JSON_BYTES or len(document.id.encode()) > ID_BYTES - 16:
        raise ChunkTooLarge(f"the document {document.id[:80]!r} has more sources or labels than Milvus can hold")
    return record_row(record_id(document.id), "document", facts)


def document_of(row: Mapping[str, Any]) -> StoredDocument:
    facts = row["facts"]
    versions = facts.get("versions") or [""] * len(facts["keys"])
    shelves = map(tuple, facts.get("shelves") or [()] * len(facts["keys"]))
    return StoredDocument(
        id=facts["id"],
        digest=facts["digest"],
        title=facts["title"],
        sources=tuple(starmap(Source, zip(facts["keys"], facts["names"], versions, shelves, strict=True))),
        is_titled_by_name=facts["is_titled_by_name"],
        labels=facts["labels"],
    )


def record_row(row_id: str, kind: str, facts: Mapping[str, Any]) -> Row:
    return {"id": row_id, "kind": kind, "facts": dict(facts), "flat": _FLAT}
