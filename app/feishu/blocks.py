"""
The blocks of a Feishu document (docx) as Markdown: headings, lists, code, quotes, tables, links.

Blocks come as a flat list and are a tree by their `children`; what a block says is under a key of its own, such as
`heading2` or `bullet`.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from app.feishu.inline import Element, Target, linked, text_of, url_of
from app.feishu.loose import Loose
from ingest.loaders.tables import markdown_tables

_PAGE, _BULLET, _ORDERED, _CODE, _TODO, _TABLE = 1, 12, 13, 14, 17, 31
_HEADINGS = range(3, 12)
_QUOTED = (15, 19, 34)
"""A quoted paragraph, a highlighted box and a quote of several blocks."""
_SAYS_NOTHING = (22, 42, 51)
"""Rules between paragraphs, and lists of a wiki's pages that Feishu makes itself."""
_LOOKS_LIKE_MARKUP = re.compile(r"^(?=\s*(?:#{1,6}\s|```|~~~)|(?:=+|-{3,})\s*$)", re.MULTILINE)
_MAX_DEPTH = 60
"""Of blocks in each other; Feishu's editor stops long before."""


@dataclass(frozen=True, slots=True)
class Written:
    """`left_out` names the blocks that hold nothing in words: images without a caption, spreadsheets, drawings."""

    markdown: str
    left_out: tuple[str, ...]


def written(items: Iterable[Mapping[str, Any]], *, title: str) -> Written:
    """
    A document's blocks, as the open platform lists them; `title` is for a document that has none.

    Raises:
        ValueError: these are no blocks of a document.
    """
    blocks = {block.id: block for block in map(_block, items)}
    page = next((block for block in blocks.values() if block.type == _PAGE), None)
    if page is None:
        raise ValueError("there is no page among the blocks")
    del blocks[page.id]
    writer = _Writer(blocks)
    pieces = [_title(_plain(page) or title), *writer.below(page)]
    if writer.blocks:
        writer.left_out.append(f"{len(writer.blocks):,} blocks that are too deep in others, or nowhere")
    return Written(_joined(pieces) + "\n", tuple(writer.left_out))


def unstructured(text: str, *, title: str) -> str:
    """The same of a document that is had as plain text, which begins with its title."""
    lines = text.splitlines()
    body = "\n".join(lines[1:] if lines and _one_line(lines[0]) == _one_line(title) else lines)
    return _joined([_title(title), *([_Piece(_literal(body))] if body.strip() else [])]) + "\n"


class _Head(Loose):
    block_id: str
    block_type: int
    children: tuple[str, ...] | None = None


class _Style(Loose):
    done: bool | None = None
    sequence: str | None = None


class _Span(Loose):
    row_span: int | None = None


class _Shape(Loose):
    column_size: int | None = None
    merge_info: tuple[_Span, ...] | None = None


class _Caption(Loose):
    content: str | None = None


class _Body(Target):
    """What a block may say, of whichever kind it is; an embedded page and a link say where they lead to."""

    elements: tuple[Element, ...] | None = None
    style: _Style | None = None
    cells: tuple[str, ...] | None = None
    property: _Shape | None = None
    caption: _Caption | None = None
    component: Target | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True)
class _Block:
    """`kind` is Feishu's word for its type."""

    id: str
    type: int
    kind: str
    body: _Body
    children: tuple[str, ...]

    @property
    def text(self) -> str:
        body = self.body
        named = (body.caption and body.caption.content) or body.name or url_of(body.component or body)
        return text_of(body.elements) if body.elements is not None else linked("", named)


def _block(item: Mapping[str, Any]) -> _Block:
    head = _Head.model_validate(item)
    kind, body = next(((key, value) for key, value in item.items() if isinstance(value, dict)), ("", {}))
    name = kind or f"block type {head.block_type}"
    return _Block(head.block_id, head.block_type, name, _Body.model_validate(body), head.children or ())


@dataclass(frozen=True, slots=True)
class _Piece:
    """Items of a list stand in lines, everything else in paragraphs."""

    text: str
    is_item: bool = False


@dataclass(slots=True)
class _Writer:
    """Takes each block out of `blocks` once, so that a tree that is none still comes to an end."""

    blocks: dict[str, _Block]
    left_out: list[str] = field(default_factory=list)
    _depth: int = 0

    def below(self, block: _Block) -> list[_Piece]:
        """A block's children."""
        if self._depth > _MAX_DEPTH:
            return []
        self._depth += 1
        pieces: list[_Piece] = []
        number = 0
        for child in (self.blocks.pop(one) for one in block.children if one in self.blocks):
            number = _number(child, number)
            pieces += self._pieces(child, number)
        self._depth -= 1
        return pieces

    def _pieces(self, block: _Block, number: int) -> Iterator[_Piece]:
        if block.type in _HEADINGS:
            yield from _heading(block)
            yield from self.below(block)
        elif block.type in (_BULLET, _ORDERED, _TODO):
            yield self._item(block, number)
        elif block.type == _CODE:
            yield _code(block)
        elif block.type == _TABLE:
            yield from map(_Piece, markdown_tables(self._rows(block)))
        elif block.type in _QUOTED:
            if inner := _joined([*_paragraph(block), *self.below(block)]):
                yield _Piece(textwrap.indent(inner, "> ", lambda _: True))
        elif block.type not in _SAYS_NOTHING:
            yield from self._other(block)

    def _other(self, block: _Block) -> list[_Piece]:
        """A paragraph, or a block around others, or something that has no words."""
        pieces = [*_paragraph(block), *self.below(block)]
        if not pieces and block.body.elements is None and not block.children:
            self.left_out.append(block.kind)
        return pieces

    def _item(self, block: _Block, number: int) -> _Piece:
        done = block.body.style and block.body.style.done
        mark = {_BULLET: "- ", _ORDERED: f"{number}. "}.get(block.type, "- [x] " if done else "- [ ] ")
        lines = [piece.text for piece in (*_paragraph(block), *self.below(block))]
        return _Piece(mark + textwrap.indent("\n".join(lines), " " * len(mark)).lstrip(), is_item=True)

    def _rows(self, table: _Block) -> list[list[str]]:
        """A cell over several rows is said in each of them: rows are found apart from each other."""
        cells, shape = table.body.cells or table.children, table.body.property or _Shape()
        columns = max(shape.column_size or 1, 1)
        texts = [_joined(self.below(cell)) if (cell := self.blocks.pop(one, None)) else "" for one in cells]
        for place, span in zip(range(len(texts)), shape.merge_info or (), strict=False):
            for below in range(place + columns, min(place + columns * (span.row_span or 1), len(texts)), columns):
                texts[below] = texts[below] or texts[place]
        return [texts[start : start + columns] for start in range(0, len(texts), columns)]


def _heading(block: _Block) -> Iterator[_Piece]:
    """The document's title is the first level."""
    if text := _plain(block):
        yield _Piece(f"{'#' * min(block.type - _HEADINGS.start + 2, 6)} {text}")


def _paragraph(block: _Block) -> Iterator[_Piece]:
    if text := block.text.strip():
        yield _Piece(_literal(text))


def _code(block: _Block) -> _Piece:
    text = text_of(block.body.elements or (), plain=True).strip("\n")
    fence = "~~~" if "```" in text else "```"
    return _Piece(f"{fence}\n{text}\n{fence}")


def _number(block: _Block, before: int) -> int:
    """Of an item among its neighbours; Feishu says where a list begins anew, or "auto"."""
    if block.type != _ORDERED:
        return 0
    said = (block.body.style and block.body.style.sequence) or ""
    return int(said) if said.isdecimal() else before + 1


def _joined(pieces: Sequence[_Piece]) -> str:
    text = ""
    for number, piece in enumerate(pieces):
        follows_item = number > 0 and piece.is_item and pieces[number - 1].is_item
        text += ("\n" if follows_item else "\n\n" if number else "") + piece.text
    return text


def _title(text: str) -> _Piece:
    return _Piece(f"# {_one_line(text) or 'Untitled'}")


def _literal(text: str) -> str:
    """Text that looks like a heading or a fence of Markdown, and is none, is marked as such."""
    return _LOOKS_LIKE_MARKUP.sub(r"\\", text).strip()


def _plain(block: _Block) -> str:
    return _one_line(text_of(block.body.elements or (), plain=True))


def _one_line(text: str) -> str:
    return " ".join(text.split())
