"""CSV: Markdown tables in groups of rows, each below the header."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterator
from pathlib import PurePath

from langchain_core.document_loaders import BaseBlobParser
from langchain_core.documents import Document
from langchain_core.documents.base import Blob

from ingest.errors import DocumentTooLarge
from ingest.loaders.encoding import decode
from ingest.loaders.guard import damage_explained
from ingest.loaders.limits import MAX_CELLS
from ingest.loaders.parts import UnreadPart
from ingest.loaders.tables import markdown_tables

_DELIMITERS = ",\t;|，"
_SAMPLE_CHARACTERS = 16 * 1024


class CsvParser(BaseBlobParser):
    """The first row is the header; the delimiter is found out."""

    def lazy_parse(self, blob: Blob) -> Iterator[Document]:
        name = str(blob.source)
        text = decode(blob.as_bytes(), name).replace("\x00", "")
        title = PurePath(name).stem
        try:
            with damage_explained(name, "CSV", csv.Error):
                for table in markdown_tables(_rows(text, name)):
                    yield Document(table, metadata={"title": title, "headings": ""})
        except DocumentTooLarge as error:
            yield UnreadPart.of(f"{name}, the rest", error)


def _rows(text: str, name: str) -> Iterator[list[str]]:
    cells = 0
    for row in csv.reader(io.StringIO(text), delimiter=delimiter(text)):
        cells += len(row)
        if cells > MAX_CELLS:
            raise DocumentTooLarge(f"{name} has more than {MAX_CELLS:,} cells; the rest is not read: split it")
        yield row


def delimiter(text: str) -> str:
    """
    The one that gives most rows of the sample the same number of columns, more than one; the comma in doubt.

    The standard library's Sniffer takes letters for delimiters, and quotes in a text for quoting.
    """
    sample = text[:_SAMPLE_CHARACTERS]
    if len(text) > len(sample):
        sample = sample.rpartition("\n")[0] or sample
    return max(_DELIMITERS, key=lambda mark: _agreement(sample, mark))


def _agreement(sample: str, mark: str) -> tuple[float, int]:
    try:
        widths = [len(row) for row in csv.reader(io.StringIO(sample), delimiter=mark) if row]
    except csv.Error:
        return 0.0, 0
    if not widths:
        return 0.0, 0
    width, rows = Counter(widths).most_common(1)[0]
    return (rows / len(widths), width) if width > 1 else (0.0, 0)
