"""What was found for labelled questions, as `larkwise eval retrieval --out` writes it."""

from __future__ import annotations

from typing import Literal

from evals.ranks import Ranks
from evals.runs import Facts, Kind, Line


class RetrievalFacts(Facts):
    """What the ranking depends on; the splitter's settings where the set was ingested for this run, else 0."""

    kind: Literal["retrieval"] = "retrieval"
    vector_store: str
    chunk_size: int
    chunk_overlap: int


class RetrievalRecord(Line):
    """One question."""

    question: str
    answerable: bool
    chunk: Ranks
    """Right chunks: of a gold document, and containing an answer."""
    document: Ranks
    """Gold documents, each where its first chunk stands."""
    overlap: float
    """See `evals.golds.Gold.overlap`."""
    cross_language: bool
    probability: float
    """That the documents answer the question, as the retrieval says, 0..1."""
    ms: float
    found: list[str]
    """The ids of the chunks, best first."""


RETRIEVAL = Kind("retrieval", RetrievalFacts, RetrievalRecord)
