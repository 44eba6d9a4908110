"""Our names for collections and fields as Milvus' names, and back: it takes A-Z, a-z, 0-9 and "_" only."""

from __future__ import annotations

import re

from ingest.errors import InvalidCollectionName

_CHUNKS = "larkwise_chunks_"
_RECORDS = "larkwise_records_"
_LONGEST = 255
_UNUSABLE = re.compile(r"[^A-Za-z0-9]", re.ASCII)
_ESCAPED = re.compile(r"_(_|[0-9a-f]{4})")


def escaped(name: str) -> str:
    """A letter that Milvus does not take becomes "_" and its UTF-16 code, four digits each; "_" becomes "__"."""
    return _UNUSABLE.sub(lambda found: _escape(found[0]), name)


def unescaped(name: str) -> str:
    units = _ESCAPED.sub(lambda found: "_" if found[1] == "_" else chr(int(found[1], 16)), name)
    return units.encode("utf-16-be", "surrogatepass").decode("utf-16-be")


def chunks_name(name: str) -> str:
    """
    What Milvus calls the chunks of a collection.

    Raises:
        InvalidCollectionName: it would be too long; 47 Chinese letters fit.
    """
    return _fitting(_CHUNKS, name)


def records_name(name: str) -> str:
    """What Milvus calls the documents and the manifest of a collection; raises as `chunks_name` does."""
    return _fitting(_RECORDS, name)


def name_of(milvus_name: str) -> str | None:
    """Our name of a collection whose records these are; None where they are somebody else's."""
    return unescaped(milvus_name.removeprefix(_RECORDS)) if milvus_name.startswith(_RECORDS) else None


def _fitting(prefix: str, name: str) -> str:
    whole = prefix + escaped(name)
    if not name or len(_RECORDS) + len(escaped(name)) > _LONGEST:
        raise InvalidCollectionName(name)
    return whole


def _escape(letter: str) -> str:
    if letter == "_":
        return "__"
    units = letter.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"_{units[start : start + 4]}" for start in range(0, len(units), 4))
