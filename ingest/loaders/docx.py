"""Word documents: headings, paragraphs, lists and tables, in their order."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import PurePath
from typing import Any, TypeAlias

import docx
from docx.document import Document as WordDocument
from docx.opc.exceptions import OpcError
from docx.oxml.ns import qn
from langchain_core.document_loaders import BaseBlobParser
from langchain_core.documents import Document
from langchain_core.documents.base import Blob

from ingest.errors import EmptyDocument
from ingest.loaders.guard import damage_explained
from ingest.loaders.kinds import WORD
from ingest.loaders.limits import budget_of
from ingest.loaders.markdown import documents_of
from ingest.loaders.office import check_package
from ingest.loaders.tables import markdown_tables
from ingest.sections import Heading, sections_of

_Element: TypeAlias = Any
"""An lxml element, which has no types."""

_WRAPPERS = frozenset(map(qn, ("w:sdt", "w:sdtContent", "w:ins", "w:customXml", "w:smartTag", "w:moveTo")))
_FALLBACK = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
_BREAKS = {qn("w:tab"): "\t", qn("w:br"): "\n", qn("w:cr"): "\n", qn("w:noBreakHyphen"): "-"}
_BODY_LEVEL = 9


class WordParser(BaseBlobParser):
    """The title is the document's property, or its first heading, or the file's name."""

    def lazy_parse(self, blob: Blob) -> Iterator[Document]:
        name = str(blob.source)
        data = blob.as_bytes()
        check_package(data, name, WORD, budget_of(blob))
        with damage_explained(name, WORD.words, OpcError):
            document = docx.Document(io.BytesIO(data))
            blocks = list(_blocks(document.element.body, _levels(document)))
            title = document.core_properties.title.strip()
        found = list(sections_of(blocks))
        headings = [block.text for block in blocks if isinstance(block, Heading)]
        if not found and not headings:
            raise EmptyDocument(f"{name} holds no text")
        named = title or next(iter(headings), "") or PurePath(name).stem
        yield from documents_of(found or sections_of(headings), title=named)


def _levels(document: WordDocument) -> dict[str, int]:
    """Style ids to heading levels; Word in any language calls its styles "heading 1" inside, and 0 is the title."""
    levels: dict[str, int] = {}
    for style in document.styles.element.findall(qn("w:style")):
        name = style.find(qn("w:name"))
        words = (name.get(qn("w:val")) if name is not None else "").lower().split()
        if words[:1] == ["title"]:
            levels[style.get(qn("w:styleId"))] = 0
        elif len(words) == 2 and words[0] == "heading" and words[1].isdecimal():
            levels[style.get(qn("w:styleId"))] = int(words[1])
        elif (outline := style.find(f"{qn('w:pPr')}/{qn('w:outlineLvl')}")) is not None:
            levels[style.get(qn("w:styleId"))] = int(outline.get(qn("w:val"))) + 1
    return levels


def _blocks(parent: _Element, levels: dict[str, int]) -> Iterator[Heading | str]:
    """python-docx's own walk leaves out content controls and tracked insertions."""
    for child in parent:
        if child.tag == qn("w:p"):
            if text := _text(child).strip():
                yield _paragraph(child, text, levels)
        elif child.tag == qn("w:tbl"):
            yield from markdown_tables(map(_row, child.iter(qn("w:tr"))))
        elif child.tag in _WRAPPERS and not _is_contents(child):
            yield from _blocks(child, levels)


def _paragraph(paragraph: _Element, text: str, levels: dict[str, int]) -> Heading | str:
    style = paragraph.find(f"{qn('w:pPr')}/{qn('w:pStyle')}")
    outline = paragraph.find(f"{qn('w:pPr')}/{qn('w:outlineLvl')}")
    level = levels.get(style.get(qn("w:val"))) if style is not None else None
    if outline is not None:
        level = int(outline.get(qn("w:val"))) + 1
    if level is not None and level <= _BODY_LEVEL:
        return Heading(level + 1, " ".join(text.split()))
    is_item = paragraph.find(f"{qn('w:pPr')}/{qn('w:numPr')}") is not None
    is_list_style = style is not None and str(style.get(qn("w:val"))).lower().startswith("list")
    return f"- {text}" if is_item or is_list_style else text


def _text(element: _Element) -> str:
    """Of text boxes too, each of which is written twice: once for programs that do not know them."""
    pieces: list[str] = []
    for node in element.iter():
        if node.tag == qn("w:t"):
            pieces.append("" if _is_fallback(node, element) else node.text or "")
        elif node.tag in _BREAKS:
            pieces.append(_BREAKS[node.tag])
        elif node.tag == qn("w:p") and node is not element:
            pieces.append("\n")
    return "".join(pieces)


def _is_fallback(node: _Element, top: _Element) -> bool:
    while node is not None and node is not top:
        if node.tag == _FALLBACK:
            return True
        node = node.getparent()
    return False


def _row(row: _Element) -> list[str]:
    """A cell that spans columns is followed by empty ones, so that the others keep their column."""
    cells: list[str] = []
    for cell in row.findall(qn("w:tc")):
        span = cell.find(f"{qn('w:tcPr')}/{qn('w:gridSpan')}")
        columns = min(int(span.get(qn("w:val"))), 64) if span is not None else 1
        cells += [_text(cell), *[""] * (columns - 1)]
    return cells


def _is_contents(control: _Element) -> bool:
    """The table of contents says nothing that the headings do not."""
    gallery = control.find(f"{qn('w:sdtPr')}/{qn('w:docPartObj')}/{qn('w:docPartGallery')}")
    return gallery is not None and gallery.get(qn("w:val")) == "Table of Contents"
