"""The best chunks as they are shown and read: neighbours of one document as one passage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from langchain_core.documents import Document

from chains.answers import Source
from chains.matching import document_of
from chains.retrieval import Found

_GAP = 2
"""Characters between two chunks that the splitter has left out: a line break, a space."""


def as_sources(found: Sequence[Found]) -> list[Source]:
    """
    All of what was found; chunks that stand next to each other in a document are one source.

    It has the id, the score and the place of its best chunk, and in `merged` the ids of all.
    """
    runs: list[_Run] = []
    for one in found:
        joined = next((place for place, run in enumerate(runs) if run.touches(one.document)), None)
        if joined is None:
            runs.append(_Run(one, (one.document,)))
        else:
            runs[joined] = runs[joined].with_(one.document)
    return [run.source() for run in runs]


def enough(chosen: Sequence[Found], found: Sequence[Found], probability: float) -> Sequence[Found]:
    """
    The fewest of the chosen chunks that hold the answer with this probability, if any of those found does.

    Scores are to each other as the probabilities by which the ranker draws a chunk first.
    """
    whole, sum_ = sum(one.score for one in found), 0.0
    for count, one in enumerate(chosen, start=1):
        sum_ += one.score
        if sum_ >= probability * whole:
            return chosen[:count]
    return chosen


@dataclass(frozen=True, slots=True)
class _Run:
    """Chunks that follow each other in a document, and the best of them."""

    best: Found
    chunks: tuple[Document, ...]

    def touches(self, chunk: Document) -> bool:
        return _joined(self.chunks[-1], chunk) is not None or _joined(chunk, self.chunks[0]) is not None

    def with_(self, chunk: Document) -> _Run:
        follows = _joined(self.chunks[-1], chunk) is not None
        return _Run(self.best, (*self.chunks, chunk) if follows else (chunk, *self.chunks))

    def source(self) -> Source:
        text = self.chunks[0].page_content
        for before, chunk in zip(self.chunks, self.chunks[1:], strict=False):
            text += _joined(before, chunk) or ""
        document = self.best.document
        metadata = dict(document.metadata)
        if len(self.chunks) > 1:
            metadata["merged"] = [str(chunk.id or "") for chunk in self.chunks]
        return {
            "id": str(document.id or ""),
            "content": text,
            "metadata": metadata,
            "score": round(self.best.score, 4),
        }


def _joined(before: Document, after: Document) -> str | None:
    """What `after` adds to `before`; None where it is not the next chunk of the same text."""
    one, other = before.metadata, after.metadata
    if "chunk" not in one or document_of(before) != document_of(after) or other.get("chunk") != one["chunk"] + 1:
        return None
    if any(one.get(name) != other.get(name) for name in ("headings", "page", "sheet", "slide")):
        return None
    gap = int(other.get("start", -1)) - int(one.get("start", 0)) - len(before.page_content)
    if gap > _GAP or int(other.get("start", -1)) <= int(one.get("start", 0)):
        return None
    if gap >= 0:
        return "\n" * bool(gap) + after.page_content
    return after.page_content[-gap:] if before.page_content.endswith(after.page_content[:-gap]) else None
