"""Markdown: one document a section."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import PurePath

from langchain_core.document_loaders import BaseBlobParser
from langchain_core.documents import Document
from langchain_core.documents.base import Blob

from ingest.loaders.encoding import decode
from ingest.sections import Section, sections, title_of


class MarkdownParser(BaseBlobParser):
    """Keeps the path of headings; code fences and tables stay as they are."""

    def lazy_parse(self, blob: Blob) -> Iterator[Document]:
        name = str(blob.source)
        yield from section_documents(decode(blob.as_bytes(), name), fallback_title=PurePath(name).stem)


def section_documents(markdown: str, *, fallback_title: str) -> Iterator[Document]:
    """The sections of a Markdown text, each a document that knows its headings; the whole where all is headings."""
    found = list(sections(markdown)) or [Section((), markdown.strip())]
    yield from documents_of(found, title=title_of(markdown) or fallback_title)


def documents_of(found: Iterable[Section], *, title: str) -> Iterator[Document]:
    """A heading that only repeats the title is left out of the path."""
    for section in found:
        headings = [heading for heading in section.headings if heading != title]
        yield Document(section.text, metadata={"title": title, "headings": " > ".join(headings)})
