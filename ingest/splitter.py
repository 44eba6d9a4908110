"""From sections and pages to chunks, at the ends of sentences where it can be."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from langchain_core.documents import Document
from langchain_text_splitters import RecursiveCharacterTextSplitter

SEPARATORS = ["\n\n", "\n", "。", "！", "？", ". ", "! ", "? ", "；", "; ", "，", ", ", " ", ""]
"""The default ones cut Chinese in the middle of a sentence."""


@dataclass(frozen=True, slots=True)
class SplitterSettings:
    """Both in characters."""

    chunk_size: int = 500
    chunk_overlap: int = 50


def split(sections: Iterable[Document], settings: SplitterSettings) -> Iterator[Document]:
    """Chunks in order; each knows its number in the document, and where it starts in its section or page."""
    splitter = RecursiveCharacterTextSplitter(
        chunk_size=settings.chunk_size,
        chunk_overlap=settings.chunk_overlap,
        separators=SEPARATORS,
        keep_separator="end",
        add_start_index=True,
    )
    for number, chunk in enumerate(splitter.split_documents(list(sections))):
        start = chunk.metadata.pop("start_index")
        yield Document(chunk.page_content, metadata={**chunk.metadata, "chunk": number, "start": start})
