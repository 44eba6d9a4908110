"""PDF: one document a page."""

from __future__ import annotations

import io
import re
import unicodedata
from collections.abc import Iterator
from pathlib import PurePath

from langchain_core.document_loaders import BaseBlobParser
from langchain_core.documents import Document
from langchain_core.documents.base import Blob
from pypdf import PdfReader
from pypdf.errors import PyPdfError

from ingest.errors import EmptyDocument, EncryptedDocument, UnreadableDocument

_ENDS = "。！？；：.!?;:"
_CJK_BEFORE = re.compile(r"[\u3000-\u303f\u4e00-\u9fff\uff00-\uffef]$")
_CJK_AFTER = re.compile(r"^[\u3000-\u303f\u4e00-\u9fff\uff00-\uffef]")
_LOOK_ALIKES = re.compile(r"[\u2e80-\u2fdf\ufb00-\ufb06]")
"""Radicals that some fonts put in the place of Chinese characters, and ligatures: nobody searches for them."""
_FULL_LINE = 0.75
"""A line at least this long, as a share of the page's longest, is taken to run on in the next."""


class PdfParser(BaseBlobParser):
    """Pages are counted from 1; lines that a page's width has broken are joined again."""

    def lazy_parse(self, blob: Blob) -> Iterator[Document]:
        name = str(blob.source)
        reader = _open(blob.as_bytes(), name)
        title = _title(reader) or PurePath(name).stem
        empty = True
        for number, page in enumerate(reader.pages, start=1):
            text = _unwrap(_page_text(page, name, number))
            if text:
                empty = False
                yield Document(text, metadata={"title": title, "page": number})
        if empty:
            raise EmptyDocument(f"{name} has no text on its pages: it may be scanned, and needs text recognition first")


def _open(data: bytes, name: str) -> PdfReader:
    try:
        reader = PdfReader(io.BytesIO(data))
        if reader.is_encrypted and not reader.decrypt(""):
            raise EncryptedDocument(f"{name} is protected by a password: save a copy without one")
        len(reader.pages)
    except (PyPdfError, ValueError, KeyError, TypeError, AttributeError, RecursionError, OSError) as error:
        raise _unreadable(name, error) from error
    return reader


def _page_text(page: object, name: str, number: int) -> str:
    try:
        text = str(page.extract_text())  # type: ignore[attr-defined]  # pypdf's page, from its own iterator
    except (PyPdfError, ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError) as error:
        raise _unreadable(f"page {number} of {name}", error) from error
    return _LOOK_ALIKES.sub(lambda found: unicodedata.normalize("NFKC", found.group()), text)


def _unreadable(what: str, error: Exception) -> UnreadableDocument:
    return UnreadableDocument(f"{what} cannot be read as PDF ({error}): the file may be damaged or cut off")


def _title(reader: PdfReader) -> str:
    metadata = reader.metadata
    return str(metadata.title).strip() if metadata and metadata.title else ""


def _unwrap(text: str) -> str:
    lines = [line.strip() for line in text.replace("\x00", "").splitlines()]
    longest = max((len(line) for line in lines), default=0)
    out = ""
    previous = ""
    for line in lines:
        out += _glue(previous, line, longest) + line
        previous = line
    return re.sub(r"\n{3,}", "\n\n", out).strip()


def _glue(previous: str, line: str, longest: int) -> str:
    if not previous or not line or len(previous) < _FULL_LINE * longest or previous[-1] in _ENDS:
        return "\n"
    return "" if _CJK_BEFORE.search(previous) and _CJK_AFTER.match(line) else " "
