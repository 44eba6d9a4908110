"""Which loader reads which file."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from types import MappingProxyType

from langchain_core.documents import Document

from ingest.documents import Refused
from ingest.errors import DocumentTooLarge, EmptyDocument
from ingest.loaders import ocr
from ingest.loaders.code import CODE_SUFFIXES, CodeParser
from ingest.loaders.csv import CsvParser
from ingest.loaders.docx import WordParser
from ingest.loaders.eml import MailParser
from ingest.loaders.epub import BookParser
from ingest.loaders.html import HtmlParser
from ingest.loaders.image import ImageParser
from ingest.loaders.ipynb import NotebookParser
from ingest.loaders.json import JsonLinesParser, JsonParser
from ingest.loaders.kinds import IMAGE_SUFFIXES
from ingest.loaders.limits import MAX_TEXT_CHARACTERS, Budget
from ingest.loaders.markdown import MarkdownParser
from ingest.loaders.parts import UnreadPart
from ingest.loaders.pdf import PdfParser
from ingest.loaders.pptx import SlidesParser
from ingest.loaders.reading import READ, Parsers, parse
from ingest.loaders.text import TEXT_SUFFIXES, TextParser
from ingest.loaders.xlsx import WorkbookParser
from ingest.loaders.zip import ZipParser

logger = logging.getLogger(__name__)

_SIMPLE: Parsers = {
    ".md": MarkdownParser(),
    ".markdown": MarkdownParser(),
    ".html": HtmlParser(),
    ".htm": HtmlParser(),
    ".xhtml": HtmlParser(),
    ".pdf": PdfParser(),
    ".docx": WordParser(),
    ".docm": WordParser(),
    ".pptx": SlidesParser(),
    ".pptm": SlidesParser(),
    ".xlsx": WorkbookParser(),
    ".xlsm": WorkbookParser(),
    ".csv": CsvParser(),
    ".tsv": CsvParser(),
    ".json": JsonParser(),
    ".jsonl": JsonLinesParser(),
    ".ndjson": JsonLinesParser(),
    ".epub": BookParser(),
    ".ipynb": NotebookParser(),
    **dict.fromkeys(TEXT_SUFFIXES, TextParser()),
    **dict.fromkeys(CODE_SUFFIXES, CodeParser()),
    **dict.fromkeys(IMAGE_SUFFIXES, ImageParser()),
}


def _with_containers(members: Parsers) -> Parsers:
    return {**members, ".zip": ZipParser(members), ".eml": MailParser(members)}


PARSERS: Parsers = MappingProxyType(_with_containers(_with_containers(_SIMPLE)))
"""An archive or letter inside of another is opened, and one inside of that is not."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a document gave: `failed` and `skipped` name the pages, sheets, members or attachments that it could not."""

    sections: tuple[Document, ...]
    failed: tuple[Refused, ...] = ()
    skipped: tuple[Refused, ...] = ()
    """Parts of kinds that no loader reads."""


def read(data: bytes, name: str, *, budget: Budget | None = None) -> Loaded:
    """
    The sections, pages, sheets or slides of a document; each has its title, headings and place in its metadata.

    A member of an archive and an attachment of a letter have their own "source" there, "archive.zip/inner/path".

    Raises:
        DocumentError: nothing of it can be read; the message names it and says what to do.
    """
    sections: list[Document] = []
    unread: list[UnreadPart] = []
    characters = 0
    for document in parse(data, name, PARSERS, budget or Budget()):
        if isinstance(document, UnreadPart):
            unread.append(document)
            continue
        characters += len(document.page_content)
        if characters > MAX_TEXT_CHARACTERS:
            unread.append(_rest(name))
            break
        sections.append(document)
    if not sections:
        raise EmptyDocument(_nothing(name, unread))
    return Loaded(
        tuple(sections),
        failed=tuple(part.refused for part in unread if not part.is_skipped),
        skipped=tuple(part.refused for part in unread if part.is_skipped),
    )


def load(data: bytes, name: str) -> list[Document]:
    """
    The sections alone, for callers who have nobody to tell of parts that cannot be read: those are logged.

    Raises:
        DocumentError: nothing of it can be read.
    """
    loaded = read(data, name)
    for refused in loaded.failed:
        logger.warning("left out of %s: %s", name, refused.reason)
    return list(loaded.sections)


def why_unread(suffix: str) -> str | None:
    """Why files of this ending are not read on this machine, or None where they are."""
    if suffix.lower() not in PARSERS:
        return f"no loader for {suffix or 'files without an ending'}"
    if suffix.lower() in IMAGE_SUFFIXES and not ocr.is_installed():
        return f"an image: {ocr.HOW_TO_INSTALL}"
    return None


def readable_kinds() -> str:
    """What is read, in words."""
    return READ


def _rest(name: str) -> UnreadPart:
    return UnreadPart.of(
        f"{name}, the rest",
        DocumentTooLarge(f"{name} holds more than {MAX_TEXT_CHARACTERS:,} characters; the rest is not read: split it"),
    )


def _nothing(name: str, unread: list[UnreadPart]) -> str:
    reasons = "; ".join(part.refused.reason for part in unread[:3])
    more = f"; and {len(unread) - 3} more" if len(unread) > 3 else ""
    return f"{name} holds nothing that can be read: {reasons}{more}" if reasons else f"{name} holds no text"
