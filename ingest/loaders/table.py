"""Which loader reads which file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePath
from types import MappingProxyType

from langchain_core.document_loaders import BaseBlobParser
from langchain_core.documents import Document
from langchain_core.documents.base import Blob

from ingest.errors import EmptyDocument, UnsupportedDocument
from ingest.loaders.html import HtmlParser
from ingest.loaders.markdown import MarkdownParser
from ingest.loaders.pdf import PdfParser
from ingest.loaders.text import TextParser

PARSERS: Mapping[str, BaseBlobParser] = MappingProxyType(
    {
        ".md": MarkdownParser(),
        ".markdown": MarkdownParser(),
        ".txt": TextParser(),
        ".text": TextParser(),
        ".html": HtmlParser(),
        ".htm": HtmlParser(),
        ".pdf": PdfParser(),
    }
)


def load(data: bytes, name: str) -> list[Document]:
    """
    The sections or pages of a document; each has its title, headings and page in its metadata.

    Raises:
        DocumentError: it cannot be read; the message names it and says what to do.
    """
    parser = PARSERS.get(PurePath(name).suffix.lower())
    if parser is None:
        raise UnsupportedDocument(f"{name} is of a kind that is not read; read are {', '.join(sorted(PARSERS))}")
    if not data.strip():
        raise EmptyDocument(f"{name} is empty")
    return list(parser.lazy_parse(Blob.from_data(data, path=name)))
