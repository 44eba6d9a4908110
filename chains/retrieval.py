"""From a question to the chunks that may answer it: near in meaning, and sharing its words."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from langchain_core.documents import Document
from langchain_core.vectorstores import VectorStore

from chains.answers import Source
from chains.language import terms


@dataclass(frozen=True, slots=True)
class Found:
    """A chunk; `similarity` is the vectors' cosine (-1..1), `coverage` the weighted share of the question's terms."""

    document: Document
    similarity: float
    coverage: float

    @property
    def score(self) -> float:
        return self.similarity + COVERAGE_WEIGHT * self.coverage


COVERAGE_WEIGHT = 0.5
"""How much a full match of words counts beside the cosine."""


def retrieve(store: VectorStore, question: str, *, top_k: int = 3, fetch_k: int = 40) -> list[Found]:
    """The `top_k` best of the `fetch_k` chunks that are nearest in meaning; best first."""
    near = store.similarity_search_with_score(question, k=fetch_k)
    weights = _weights(question, [document for document, _ in near])
    found = [Found(document, score, _coverage(weights, document)) for document, score in near]
    return sorted(found, key=lambda one: one.score, reverse=True)[:top_k]


def as_source(found: Found) -> Source:
    """As shown to a person."""
    document = found.document
    return {
        "id": str(document.id or ""),
        "content": document.page_content,
        "metadata": dict(document.metadata),
        "score": round(found.score, 4),
    }


def searchable_text(document: Document) -> str:
    """A chunk with what stands above it: a heading often names what its text only calls "it"."""
    metadata = document.metadata
    return "\n".join([str(metadata.get("title", "")), str(metadata.get("headings", "")), document.page_content])


def _weights(question: str, documents: Sequence[Document]) -> dict[str, float]:
    """How telling each term of the question is: rare ones more (inverse document frequency, among the candidates)."""
    asked = terms(question)
    frequency = Counter(term for document in documents for term in asked & terms(searchable_text(document)))
    total = len(documents) + 1
    raw = {term: math.log(total / (1 + frequency[term])) + 0.2 for term in asked}
    norm = sum(raw.values()) or 1.0
    return {term: weight / norm for term, weight in raw.items()}


def _coverage(weights: dict[str, float], document: Document) -> float:
    here = terms(searchable_text(document))
    return sum(weight for term, weight in weights.items() if term in here)
