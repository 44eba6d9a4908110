"""The blocks of a document (docx), and what tests write them with."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias
from urllib.parse import quote as percent

from tests.app.feishu.platform.calls import Json

BLOCK_TYPES = {
    "page": 1, "text": 2, **{f"heading{level}": 2 + level for level in range(1, 10)}, "bullet": 12, "ordered": 13,
    "code": 14, "quote": 15, "equation": 16, "todo": 17, "bitable": 18, "callout": 19, "chat_card": 20, "diagram": 21,
    "divider": 22, "file": 23, "grid": 24, "grid_column": 25, "iframe": 26, "image": 27, "isv": 28, "mindnote": 29,
    "sheet": 30, "table": 31, "table_cell": 32, "view": 33, "quote_container": 34, "board": 43,
}  # fmt: skip

Part: TypeAlias = str | Mapping[str, Any]
"""Words, or an element as the platform has it."""


@dataclass(frozen=True, slots=True)
class Block:
    """`kind` is the platform's word; `body` is under it."""

    kind: str
    body: Json = field(default_factory=dict)
    children: tuple[Block, ...] = ()

    @property
    def plain(self) -> str:
        return "".join(_plain(element) for element in self.body.get("elements", []))


def words(kind: str, *parts: Part, children: Sequence[Block] = (), **style: Any) -> Block:
    """A block with text."""
    elements = [_run(part) if isinstance(part, str) else dict(part) for part in parts]
    return Block(kind, {"elements": elements, "style": {"align": 1, "folded": False, **style}}, tuple(children))


def text(*parts: Part) -> Block:
    return words("text", *parts)


def heading(level: int, *parts: Part, children: Sequence[Block] = ()) -> Block:
    return words(f"heading{level}", *parts, children=children)


def bullet(*parts: Part, children: Sequence[Block] = ()) -> Block:
    return words("bullet", *parts, children=children)


def ordered(*parts: Part, children: Sequence[Block] = (), sequence: str = "auto") -> Block:
    return words("ordered", *parts, children=children, sequence=sequence)


def todo(*parts: Part, done: bool = False) -> Block:
    return words("todo", *parts, done=done)


def code(source: str, *, language: int = 49) -> Block:
    """49 is Python."""
    return words("code", source, language=language, wrap=False)


def quote(*parts: Part) -> Block:
    return words("quote", *parts)


def callout(*children: Block) -> Block:
    return Block("callout", {"background_color": 5, "emoji_id": "gift"}, children)


def divider() -> Block:
    return Block("divider")


def image(token: str, *, caption: str = "") -> Block:
    caption_of = {"caption": {"content": caption}} if caption else {}
    return Block("image", {"width": 100, "height": 100, "token": token, "align": 2, **caption_of})


def attachment(token: str, name: str) -> Block:
    """A file, in the block that shows it."""
    return Block("view", {"view_type": 1}, (Block("file", {"token": token, "name": name, "view_type": 1}),))


def table(rows: Sequence[Sequence[str | Block]], *, merged: Mapping[int, tuple[int, int]] | None = None) -> Block:
    """`merged` has (row_span, col_span) of the cells with these numbers, counted row by row."""
    cells = [
        Block("table_cell", children=(cell if isinstance(cell, Block) else text(cell),)) for row in rows for cell in row
    ]
    spans = [{"row_span": row, "col_span": column} for row, column in _spans(len(cells), merged or {})]
    columns = len(rows[0])
    shape = {"row_size": len(rows), "column_size": columns, "column_width": [100] * columns, "merge_info": spans}
    return Block("table", {"property": {**shape, "header_row": True}}, tuple(cells))


def link(name: str, url: str) -> Json:
    """Addresses come percent-encoded."""
    return _run(name, link={"url": percent(url, safe="")})


def bold(name: str) -> Json:
    return _run(name, bold=True)


def flattened(document_id: str, title: str, blocks: Sequence[Block]) -> list[Json]:
    """As the platform lists them: depth first, the page has the document's id."""
    return list(_flat(words("page", title, children=blocks), document_id, ""))


def raw_content(title: str, blocks: Sequence[Block]) -> str:
    """Words without structure, the title first."""
    return "\n".join([title, *(line for block in blocks for line in _lines(block))]) + "\n"


def _flat(block: Block, block_id: str, parent_id: str) -> Iterator[Json]:
    ids = [f"doxcn{secrets.token_hex(11)}" for _ in block.children]
    item: Json = {"block_id": block_id, "block_type": BLOCK_TYPES[block.kind], "parent_id": parent_id}
    item[block.kind] = {**block.body, "cells": ids} if block.kind == "table" else block.body
    if ids:
        item["children"] = ids
    yield item
    for child, child_id in zip(block.children, ids, strict=True):
        yield from _flat(child, child_id, block_id)


def _lines(block: Block) -> Iterator[str]:
    if "elements" in block.body:
        yield block.plain
    for child in block.children:
        yield from _lines(child)


def _spans(count: int, merged: Mapping[int, tuple[int, int]]) -> list[tuple[int, int]]:
    return [merged.get(number, (1, 1)) for number in range(count)]


def _run(content: str, **style: Any) -> Json:
    usual = {"bold": False, "inline_code": False, "italic": False, "strikethrough": False, "underline": False}
    return {"text_run": {"content": content, "text_element_style": {**usual, **style}}}


def _plain(element: Mapping[str, Any]) -> str:
    inner = next((value for value in element.values() if isinstance(value, dict)), {})
    return str(inner.get("content") or inner.get("title") or "")
