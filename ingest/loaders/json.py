"""JSON: readable lines, cut where the data has its own parts; JSON Lines: a section a record."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import PurePath
from typing import TypeAlias

from langchain_core.document_loaders import BaseBlobParser
from langchain_core.documents import Document
from langchain_core.documents.base import Blob

from ingest.errors import UnreadableDocument
from ingest.loaders.encoding import decode
from ingest.loaders.limits import MAX_DEPTH, MAX_MARKUP_BYTES, check_size
from ingest.loaders.parts import UnreadPart

Json: TypeAlias = "dict[str, Json] | list[Json] | str | int | float | bool | None"

_SECTION_CHARACTERS = 450
"""A part whose text is shorter stays whole."""
_LINES_NAMED = 10


class JsonParser(BaseBlobParser):
    """The path of keys is the path of headings."""

    def lazy_parse(self, blob: Blob) -> Iterator[Document]:
        name = str(blob.source)
        value = parsed(blob.as_bytes(), name)
        title = PurePath(name).stem
        for path, text in _parts(value, ()):
            yield Document(text, metadata={"title": title, "headings": " > ".join(path)})


class JsonLinesParser(BaseBlobParser):
    """A line that is no JSON leaves the others."""

    def lazy_parse(self, blob: Blob) -> Iterator[Document]:
        name = str(blob.source)
        title = PurePath(name).stem
        broken: list[int] = []
        for number, line in enumerate(decode(blob.as_bytes(), name).split("\n"), start=1):
            if not line.strip():
                continue
            try:
                value = _value(line, name)
            except UnreadableDocument:
                broken.append(number)
                continue
            if text := "\n".join(_lines(value, 0)):
                yield Document(text, metadata={"title": title, "headings": ""})
        if broken:
            yield UnreadPart.of(
                f"{name}, {_numbers(broken)}", UnreadableDocument(f"{_numbers(broken)} of {name}: no JSON")
            )


def parsed(data: bytes, name: str) -> Json:
    """
    Raises:
        DocumentError: it is no JSON, too large, or too deep.
    """
    check_size(len(data), name, max_bytes=MAX_MARKUP_BYTES)
    return _value(decode(data, name), name)


def _value(text: str, name: str) -> Json:
    try:
        value: Json = json.loads(text)
    except (ValueError, RecursionError) as error:
        what = str(error) if isinstance(error, ValueError) else "nested too deeply"
        raise UnreadableDocument(f"{name} is no JSON ({what[:200]})") from error
    if _is_deep(value):
        raise UnreadableDocument(f"{name} is nested more than {MAX_DEPTH} levels deep: flatten it")
    return value


def _is_deep(value: Json) -> bool:
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [child for parent in level for child in _children(parent)]
        if not level:
            return False
    return True


def _children(value: Json) -> list[Json]:
    match value:
        case dict():
            return list(value.values())
        case list():
            return value
        case _:
            return []


def _parts(value: Json, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
    """What is short stays together; what is long is told part by part, small neighbours in one."""
    if not isinstance(value, dict | list) or _is_short(value):
        if text := "\n".join(_lines(value, 0)):
            yield path, text
        return
    small: list[str] = []
    for key, child in _named(value):
        if isinstance(child, dict | list) and (isinstance(value, list) or not _is_short(child)):
            yield from _together(path, small)
            small = []
            yield from _parts(child, (*path, key) if key else path)
            continue
        lines = list(_entry(key, child, 0))
        if small and sum(map(len, small)) + sum(map(len, lines)) > _SECTION_CHARACTERS:
            yield from _together(path, small)
            small = []
        small += lines
    yield from _together(path, small)


def _together(path: tuple[str, ...], lines: list[str]) -> Iterator[tuple[tuple[str, ...], str]]:
    if lines:
        yield path, "\n".join(lines)


def _named(value: dict[str, Json] | list[Json]) -> Iterator[tuple[str, Json]]:
    """The items of a list have no names."""
    if isinstance(value, dict):
        yield from value.items()
    else:
        yield from (("", item) for item in value)


def _is_short(value: Json) -> bool:
    """Looks no further than it must, so that the depth does not multiply the work."""
    characters = 0
    for line in _lines(value, 0):
        characters += len(line) + 1
        if characters > _SECTION_CHARACTERS:
            return False
    return True


def _lines(value: Json, indent: int) -> Iterator[str]:
    if isinstance(value, dict | list):
        for key, child in _named(value):
            yield from _entry(key, child, indent)
    elif value is not None and value != "":
        yield " " * indent + _scalar(value)


def _entry(key: str, value: Json, indent: int) -> Iterator[str]:
    margin = " " * indent
    if not isinstance(value, dict | list):
        yield f"{margin}{key}: {_scalar(value)}" if key else f"{margin}- {_scalar(value)}"
    elif value:
        yield f"{margin}{key}:" if key else f"{margin}-"
        yield from _lines(value, indent + 2)


def _scalar(value: str | float | bool | None) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _numbers(lines: list[int]) -> str:
    named = ", ".join(map(str, lines[:_LINES_NAMED]))
    more = f" and {len(lines) - _LINES_NAMED:,} more" if len(lines) > _LINES_NAMED else ""
    return f"line{'s' if len(lines) > 1 else ''} {named}{more}"
