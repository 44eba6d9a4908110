"""Excel workbooks: each sheet as Markdown tables, in groups of rows below their header."""

from __future__ import annotations

import datetime
import io
import itertools
import warnings
from collections.abc import Iterable, Iterator
from pathlib import PurePath
from typing import Protocol

import openpyxl
from langchain_core.document_loaders import BaseBlobParser
from langchain_core.documents import Document
from langchain_core.documents.base import Blob
from openpyxl.utils.exceptions import InvalidFileException

from ingest.errors import DocumentError, DocumentTooLarge, EmptyDocument
from ingest.loaders.guard import damage_explained
from ingest.loaders.kinds import EXCEL
from ingest.loaders.limits import MAX_CELLS, MAX_SHEET_ROWS, budget_of
from ingest.loaders.office import check_package
from ingest.loaders.parts import UnreadPart
from ingest.loaders.tables import markdown_tables


class _Sheet(Protocol):
    """A sheet that openpyxl reads row by row; its stubs do not tell it from others."""

    title: str

    def reset_dimensions(self) -> None: ...

    def iter_rows(self, *, values_only: bool) -> Iterable[tuple[object, ...]]: ...


class WorkbookParser(BaseBlobParser):
    """Formulas show the values that were saved with them; a sheet that cannot be read leaves the others."""

    def lazy_parse(self, blob: Blob) -> Iterator[Document]:
        name = str(blob.source)
        data = blob.as_bytes()
        check_package(data, name, EXCEL, budget_of(blob))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # openpyxl tells of drawings and styles that it leaves out
            sections = list(_sections(data, name))
        if not sections:
            raise EmptyDocument(f"{name} holds no text in its sheets")
        yield from sections


def _sections(data: bytes, name: str) -> Iterator[Document]:
    with damage_explained(name, EXCEL.words, InvalidFileException):
        workbook = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=True)
        title = str(workbook.properties.title or "").strip() or PurePath(name).stem
        sheets: list[_Sheet] = list(workbook.worksheets)
    cells = _Cells(MAX_CELLS)
    for sheet in sheets:
        try:
            with damage_explained(f"sheet {sheet.title!r} of {name}", "part of an Excel workbook"):
                yield from _sheet(sheet, title, cells, name)
        except DocumentError as error:
            yield UnreadPart.of(f"{name}, sheet {sheet.title}", error)


class _Cells:
    """How many cells the workbook may still have: one cell far out makes a row wide, one far down a sheet long."""

    def __init__(self, left: int) -> None:
        self._left = left

    def take(self, row: tuple[object, ...], name: str) -> None:
        self._left -= max(len(row), 1)
        if self._left < 0:
            raise DocumentTooLarge(f"{name} has more than {MAX_CELLS:,} cells; the rest is not read: split it")


def _sheet(sheet: _Sheet, title: str, cells: _Cells, name: str) -> Iterator[Document]:
    metadata = {"title": title, "headings": sheet.title, "sheet": sheet.title}
    for block in _blocks(sheet, cells, name):
        for text in _block_texts(block):
            yield Document(text, metadata=dict(metadata))


def _blocks(sheet: _Sheet, cells: _Cells, name: str) -> Iterator[list[list[str]]]:
    """Rows between empty rows; empty columns at the left are cut off."""
    sheet.reset_dimensions()  # what the file claims for its size is not to be trusted
    block: list[list[str]] = []
    for row in itertools.islice(sheet.iter_rows(values_only=True), MAX_SHEET_ROWS):
        cells.take(row, name)
        texts = [_text(value) for value in row]
        if any(texts):
            block.append(texts)
        elif block:
            yield _trimmed(block)
            block = []
    if block:
        yield _trimmed(block)


def _trimmed(block: list[list[str]]) -> list[list[str]]:
    first = min(next(i for i, text in enumerate(row) if text) for row in block)
    last = max(max(i for i, text in enumerate(row) if text) for row in block)
    return [row[first : last + 1] for row in block]


def _block_texts(block: list[list[str]]) -> Iterator[str]:
    """Rows of one cell above a table are its caption, which goes above each part of it."""
    captions = 0
    while captions < len(block) and sum(map(bool, block[captions])) == 1:
        captions += 1
    caption = "\n".join("".join(row) for row in block[:captions])
    if captions == len(block):
        yield caption
    for table in markdown_tables(block[captions:]):
        yield f"{caption}\n\n{table}" if caption else table


def _text(value: object) -> str:
    match value:
        case None:
            return ""
        case datetime.datetime():
            return value.isoformat(sep=" ").removesuffix(" 00:00:00")
        case float():
            return f"{value:.15g}"
        case _:
            return str(value).strip()
