"""Which loader reads which file."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from langchain_core.document_loaders import BaseBlobParser
from langchain_core.documents import Document

from ingest.documents import Refused
from ingest.errors import DocumentTooLarge, EmptyDocument
from ingest.loaders import ocr
from ingest.loaders.code import CODE_SUFFIXES
from ingest.loaders.kinds import IMAGE_SUFFIXES
from ingest.loaders.limits import MAX_TEXT_CHARACTERS, Budget
from ingest.loaders.parts import UnreadPart
from ingest.loaders.reading import READ, Parsers, parse
from ingest.loaders.text import TEXT_SUFFIXES

logger = logging.getLogger(__name__)

_SIMPLE: Mapping[str, str] = {
    ".md": "markdown:MarkdownParser",
    ".markdown": "markdown:MarkdownParser",
    ".html": "html:HtmlParser",
    ".htm": "html:HtmlParser",
    ".xhtml": "html:HtmlParser",
    ".pdf": "pdf:PdfParser",
    ".docx": "docx:WordParser",
    ".docm": "docx:WordParser",
    ".pptx": "pptx:SlidesParser",
    ".pptm": "pptx:SlidesParser",
    ".xlsx": "xlsx:WorkbookParser",
    ".xlsm": "xlsx:WorkbookParser",
    ".csv": "csv:CsvParser",
    ".tsv": "csv:CsvParser",
    ".json": "json:JsonParser",
    ".jsonl": "json:JsonLinesParser",
    ".ndjson": "json:JsonLinesParser",
    ".epub": "epub:BookParser",
    ".ipynb": "ipynb:NotebookParser",
    **dict.fromkeys(TEXT_SUFFIXES, "text:TextParser"),
    **dict.fromkeys(CODE_SUFFIXES, "code:CodeParser"),
    **dict.fromkeys(IMAGE_SUFFIXES, "image:ImageParser"),
}
_CONTAINERS: Mapping[str, str] = {".zip": "zip:ZipParser", ".eml": "eml:MailParser"}
"""Their parsers take those of their members."""


class _Parsers(Mapping[str, BaseBlobParser]):
    """Each is imported when a file of its ending is read: the libraries for all of them take a second."""

    def __init__(self, members: Parsers | None = None) -> None:
        self._members = members
        self._names = {**_SIMPLE, **(_CONTAINERS if members is not None else {})}
        self._made: dict[str, BaseBlobParser] = {}

    def __getitem__(self, suffix: str) -> BaseBlobParser:
        if suffix not in self._made:
            module, _, name = self._names[suffix].partition(":")
            parser = getattr(importlib.import_module(f"ingest.loaders.{module}"), name)
            self._made[suffix] = parser(self._members) if suffix in _CONTAINERS else parser()
        return self._made[suffix]

    def __contains__(self, suffix: object) -> bool:
        return suffix in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


PARSERS: Parsers = _Parsers(_Parsers(_Parsers()))
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
