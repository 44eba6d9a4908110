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
    """
    The probability, 0..1, that the answer is right; of a refusal, that the documents hold an answer after all.
    """
    refused: bool
    mode: str
    """`generated` by the model, `extractive`: sentences of the sources, `refused`: the model was not asked."""
    signals: dict[str, float]
    """What the confidence is made of; see `chains.confidence.Outcome`."""


class Turn(TypedDict):
    """One question of a conversation, and what was answered."""

    question: str
    answer: str
