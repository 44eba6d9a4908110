"""The words of an answer; plain JSON types, so that every door can pass them on."""

from __future__ import annotations

from typing import Any

from typing_extensions import TypedDict  # pydantic needs this one before Python 3.12


class Source(TypedDict):
    """A chunk as shown to a person; `metadata` as `ingest.documents.ChunkMetadata`."""

    id: str
    content: str
    metadata: dict[str, Any]
    score: float


class Citation(TypedDict):
    """An [n] mark of the answer, tied to the passage that it rests on."""

    marker: str
    source_id: str
    quote: str
    start: int
    """Where the quote begins in the source's content, in characters."""
    end: int
    supported: bool


class Answer(TypedDict):
    """What the rag chain gives; while streaming, pieces whose sum is this."""

    answer_id: str
    answer: str
    standalone_question: str
    sources: list[Source]
    citations: list[Citation]
    confidence: float
    """The probability that the answer is supported by the documents, 0..1."""
    refused: bool


class Turn(TypedDict):
    """One question of a conversation, and what was answered."""

    question: str
    answer: str
