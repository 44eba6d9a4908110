"""From the chunks of a document back to its text, for a person to read."""

from __future__ import annotations

from collections.abc import Sequence

from langchain_core.documents import Document


def rejoined(chunks: Sequence[Document]) -> str:
    """
    What neighbouring chunks share stands there once; sections follow each other with an empty line between.

    Where the splitter dropped spaces or line ends between two chunks there is a line end.
    """
    text, end = "", 0
    for before, chunk in zip((None, *chunks), chunks, strict=False):
        content, start = chunk.page_content, int(chunk.metadata.get("start", 0))
        if before is None:
            text = content
        elif (new := _after(before, chunk, end - start)) is None:
            text += f"\n\n{content}"
        else:
            text += new
        end = start + len(content)
    return text


def _after(before: Document, chunk: Document, shared: int) -> str | None:
    """What a chunk adds to the one before it, whose last `shared` characters it repeats; None in a new section."""
    if chunk.metadata.get("start", 0) <= before.metadata.get("start", 0):
        return None
    if any(before.metadata.get(name) != chunk.metadata.get(name) for name in _SECTION):
        return None
    if shared <= 0:
        return f"\n{chunk.page_content}" if shared else chunk.page_content
    return chunk.page_content[shared:] if before.page_content.endswith(chunk.page_content[:shared]) else None


_SECTION = ("source", "headings", "page", "sheet", "slide")
"""Within one of these a chunk's `start` counts on."""
