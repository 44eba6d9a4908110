"""One document through the parser of its ending: the whole file that was given, or a member of one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import PurePath
from typing import TypeAlias

from langchain_core.document_loaders import BaseBlobParser
from langchain_core.documents import Document
from langchain_core.documents.base import Blob

from ingest.errors import DocumentError, EmptyDocument, UnsupportedDocument
from ingest.loaders.kinds import check_kind
from ingest.loaders.limits import BUDGET, Budget, check_size
from ingest.loaders.parts import UnreadPart

Parsers: TypeAlias = Mapping[str, BaseBlobParser]
"""By the name's ending, in small letters and with its dot."""

READ = (
    ".md, .txt, .html, .pdf, .docx, .pptx, .xlsx, .csv, .json, .jsonl, .epub, .eml, .ipynb, .zip, "
    "source code, and images where text recognition is installed"
)
"""What is read, in words."""


def parse(data: bytes, name: str, parsers: Parsers, budget: Budget) -> Iterator[Document]:
    """
    The sections of a document, and an `UnreadPart` for each part that cannot be read.

    Raises:
        DocumentError: the document as a whole cannot be read.
    """
    suffix = PurePath(name).suffix.lower()
    parser = parsers.get(suffix)
    if parser is None:
        raise UnsupportedDocument(f"{name} is of a kind that is not read; read are {READ}")
    check_size(len(data), name)
    if not data.strip():
        raise EmptyDocument(f"{name} is empty")
    check_kind(data, name, suffix)
    for document in parser.lazy_parse(Blob.from_data(data, path=name, metadata={BUDGET: budget})):
        document.page_content = _writable(document.page_content)
        document.metadata = {
            key: _writable(value) if isinstance(value, str) else value for key, value in document.metadata.items()
        }
        yield document


def parse_member(data: bytes, name: str, parsers: Parsers, budget: Budget) -> Iterator[Document]:
    """The same for a member of an archive or a letter: it carries its own source, and its failure is its own."""
    try:
        for document in parse(data, name, parsers, budget):
            if not isinstance(document, UnreadPart):
                document.metadata.setdefault("source", name)
            yield document
    except DocumentError as error:
        yield UnreadPart.of(name, error)


def _writable(text: str) -> str:
    """JSON and letters can hold halves of characters, which no database and no answer could."""
    return text.encode("utf-8", "replace").decode("utf-8").replace("\x00", "")
