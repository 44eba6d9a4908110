"""
Which chunks a search may find, told before it searches.

A filter is a predicate over chunks, or a mapping from a metadata key to what it must be: a value; a list of values,
one of which it must be; or a mapping of operators, all of which must hold:

    {"permission": ["all", "hr"], "page": {"$gte": 3}, "draft": {"$ne": True}}

Operators: `$eq $ne $in $nin $gt $gte $lt $lte $exists`. Where the metadata holds a list, one of its elements must do.
"""

from __future__ import annotations

import operator
import sqlite3
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ingest.errors import InvalidFilter
from ingest.stores.catalogue import chunk_of, documents_of, numbers, rows_in
from ingest.stores.port import Filter, StoredDocument

_MISSING = object()
_ORDERED: Mapping[str, Callable[[Any, Any], bool]] = {
    "$gt": operator.gt,
    "$gte": operator.ge,
    "$lt": operator.lt,
    "$lte": operator.le,
}
_SETS = ("$in", "$nin")
_OPERATORS = ("$eq", "$ne", *_SETS, *_ORDERED, "$exists")


def check_filter(wanted: Filter | None) -> None:
    """
    Raises:
        InvalidFilter: an operator is not known, or its value is of the wrong kind.
    """
    if wanted is None or callable(wanted):
        return
    for key, condition in wanted.items():
        for name, value in _conditions(condition).items():
            if name not in _OPERATORS:
                raise InvalidFilter(f"the filter for {key!r} uses {name!r}: known are {', '.join(_OPERATORS)}")
            if name in _SETS and not isinstance(value, list | tuple | set | frozenset):
                raise InvalidFilter(f"the filter for {key!r} needs a list behind {name}")


def matches(metadata: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Whether a chunk's metadata is as a filter says."""
    return all(
        _holds(metadata.get(key, _MISSING), name, value)
        for key, condition in wanted.items()
        for name, value in _conditions(condition).items()
    )


def numbers_where(db: sqlite3.Connection, wanted: Filter) -> NDArray[np.int64]:
    """The numbers of the chunks that a filter lets through, ascending."""
    documents = documents_of(db)
    if callable(wanted):
        every = db.execute("SELECT * FROM chunks ORDER BY number")
        return numbers(row for row in every if wanted(chunk_of(row, documents.get(row["document_id"] or ""))))
    return np.sort(numbers([*_of_documents(db, documents, wanted), *_homeless(db, wanted)]))


def _of_documents(
    db: sqlite3.Connection, documents: Mapping[str, StoredDocument], wanted: Mapping[str, Any]
) -> list[sqlite3.Row]:
    """What a document says decides for all of its chunks at once; the others' metadata is read."""
    whole: list[str] = []
    to_read: list[str] = []
    for document in documents.values():
        said = {**document.labels, "document_id": document.id}
        if matches(said, {key: condition for key, condition in wanted.items() if key in said}):
            (whole if wanted.keys() <= said.keys() else to_read).append(document.id)
    found = rows_in(db, "chunks", "document_id", whole)
    for row in rows_in(db, "chunks", "document_id", to_read):
        if matches(chunk_of(row, documents[row["document_id"]]).metadata, wanted):
            found.append(row)
    return found


def _homeless(db: sqlite3.Connection, wanted: Mapping[str, Any]) -> list[sqlite3.Row]:
    """Chunks that belong to no document, as they were put in one by one."""
    rows = db.execute(
        "SELECT * FROM chunks WHERE document_id IS NULL OR document_id NOT IN (SELECT id FROM documents)"
    ).fetchall()
    return [row for row in rows if matches(chunk_of(row, None).metadata, wanted)]


def _conditions(condition: Any) -> Mapping[str, Any]:
    if isinstance(condition, Mapping):
        return condition
    return {"$in" if isinstance(condition, list | tuple | set | frozenset) else "$eq": condition}


def _holds(value: Any, name: str, wanted: Any) -> bool:
    if name == "$exists":
        return (value is not _MISSING) == bool(wanted)
    if name == "$ne":
        return not _holds(value, "$eq", wanted)
    if name == "$nin":
        return not _holds(value, "$in", wanted)
    if value is _MISSING:
        return False
    return any(_one_holds(one, name, wanted) for one in (value if isinstance(value, list) else [value]))


def _one_holds(value: Any, name: str, wanted: Any) -> bool:
    if name == "$eq":
        return bool(value == wanted)
    if name == "$in":
        return any(value == one for one in wanted)
    try:
        return _ORDERED[name](value, wanted)
    except TypeError:  # a word is neither more nor less than a number
        return False
