"""Plain text."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePath

from langchain_core.document_loaders import BaseBlobParser
from langchain_core.documents import Document
from langchain_core.documents.base import Blob

from ingest.loaders.encoding import decode

TEXT_SUFFIXES = (".txt", ".text", ".log", ".rst", ".adoc", ".org", ".tex", ".srt", ".vtt")


class TextParser(BaseBlobParser):
    """One document a file; its title is the file's name."""

    def lazy_parse(self, blob: Blob) -> Iterator[Document]:
        name = str(blob.source)
        yield Document(decode(blob.as_bytes(), name), metadata={"title": PurePath(name).stem})
