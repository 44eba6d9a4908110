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
from pypdf import PageObject, PdfReader
from pypdf.errors import PyPdfError

from ingest.errors import DocumentError, DocumentTooLarge, EmptyDocument, EncryptedDocument
from ingest.loaders import ocr
from ingest.loaders.guard import damage_explained
from ingest.loaders.limits import MAX_PAGE_BYTES, MAX_PAGES, MAX_PIXELS, Budget, budget_of
from ingest.loaders.parts import UnreadPart

_ENDS = "。！？；：.!?;:"
_CJK_BEFORE = re.compile(r"[\u3000-\u303f\u4e00-\u9fff\uff00-\uffef]$")
_CJK_AFTER = re.compile(r"^[\u3000-\u303f\u4e00-\u9fff\uff00-\uffef]")
_LOOK_ALIKES = re.compile(r"[\u2e80-\u2fdf\ufb00-\ufb06]")
"""Radicals that some fonts put in the place of Chinese characters, and ligatures: nobody searches for them."""
_FULL_LINE = 0.75
"""A line at least this long, as a share of the page's longest, is taken to run on in the next."""


class PdfParser(BaseBlobParser):
    """Pages are counted from 1; lines that a page's width has broken are joined again; scans are recognised."""

    def lazy_parse(self, blob: Blob) -> Iterator[Document]:
        name = str(blob.source)
        data = blob.as_bytes()
        reader = _open(data, name)
        title = _title(reader, name) or PurePath(name).stem
        budget = budget_of(blob)
        unread: list[UnreadPart] = []
        empty = True
        count = _page_count(reader, name)
        if count > MAX_PAGES:
            too_many = DocumentTooLarge(f"{name} has {count:,} pages, and {MAX_PAGES:,} are read: split it")
            unread.append(UnreadPart.of(f"{name}, the rest", too_many))
        for number in range(1, min(count, MAX_PAGES) + 1):
            try:
                text = _page_text(reader, data, name, number, budget)
            except DocumentError as error:
                unread.append(UnreadPart.of(f"{name}, page {number}", error))
                continue
            if text:
                empty = False
                yield Document(text, metadata={"title": title, "page": number})
        if empty and not unread:
            recognised = "text recognition found none either" if ocr.is_installed() else ocr.HOW_TO_INSTALL
            raise EmptyDocument(f"{name} has no text on its pages: they may be empty or scanned, and {recognised}")
        yield from unread


def _open(data: bytes, name: str) -> PdfReader:
    with damage_explained(name, "PDF", PyPdfError):
        reader = PdfReader(io.BytesIO(data))
        if reader.is_encrypted and not reader.decrypt(""):
            raise EncryptedDocument(f"{name} is protected by a password: save a copy without one")
    return reader


def _page_count(reader: PdfReader, name: str) -> int:
    with damage_explained(name, "PDF", PyPdfError):
        return len(reader.pages)


def _page_text(reader: PdfReader, data: bytes, name: str, number: int, budget: Budget) -> str:
    where = f"page {number} of {name}"
    with damage_explained(where, "PDF", PyPdfError):
        page = reader.pages[number - 1]
        contents = page.get_contents()
        drawing = contents.get_data() if contents is not None else b""
        if len(drawing) > MAX_PAGE_BYTES:
            raise DocumentTooLarge(f"{where} draws too much to be read: print the document to a new PDF")
        text = _unwrap(
            _LOOK_ALIKES.sub(lambda found: unicodedata.normalize("NFKC", found.group()), page.extract_text())
        )
        if text or not _shows_an_image(drawing):
            return text
        if not ocr.is_installed():
            raise EmptyDocument(f"{where} has an image and no text, so it may be a scan: {ocr.HOW_TO_INSTALL}")
        _check_images(page, where)
        budget.recognise(where)
        return ocr.recognise_page(data, number, max_pixels=MAX_PIXELS)


def _check_images(page: PageObject, where: str) -> None:
    """A picture of a few bytes may claim to be of any size, and is unpacked to it when the page is drawn."""
    resources = page.get("/Resources", {}).get_object()
    pictures = resources.get("/XObject", {}).get_object()
    for picture in (entry.get_object() for entry in pictures.values()):
        if int(picture.get("/Width", 0)) * int(picture.get("/Height", 0)) > MAX_PIXELS:
            raise DocumentTooLarge(
                f"{where} is a scan of more than {MAX_PIXELS // 1_000_000} million pixels: shrink it"
            )


def _shows_an_image(drawing: bytes) -> bool:
    """Do paints an image or a form, and BI begins an image within the drawing."""
    return any(word in drawing for word in (b" Do", b"BI"))


def _title(reader: PdfReader, name: str) -> str:
    """A broken title is no reason to refuse the text."""
    try:
        with damage_explained(name, "PDF", PyPdfError):
            metadata = reader.metadata
            return " ".join(str(metadata.title).split()) if metadata and metadata.title else ""
    except DocumentError:
        return ""


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
