"""Shared words without an index of words: BM25 over the chunks that are nearest in meaning."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from langchain_core.documents import Document

from chains.language import terms
from chains.matching import Asked, Candidate
from chains.passages import Passage, passage_of


def compared(question: str, near: Sequence[tuple[Document, float]]) -> tuple[Asked, list[Candidate]]:
    """
    The question with the weights of its terms, and its candidates with a BM25 score.

    Weights are by these chunks alone (Robertson and Zaragoza, 2009; a term counts once a chunk), so they are coarser
    than a collection's.
    """
    passages = [passage_of(document) for document, _ in near]
    frequency = Counter(term for passage in passages for term in _all(passage) & terms(question))
    weights = {term: _weight(frequency[term], len(near)) for term in terms(question)}
    candidates = [
        Candidate(document, cosine, sum(weights[term] for term in _all(passage) & weights.keys()))
        for (document, cosine), passage in zip(near, passages, strict=True)
    ]
    return Asked(question, weights), candidates


def _all(passage: Passage) -> frozenset[str]:
    return passage.terms | passage.above


def _weight(frequency: int, total: int) -> float:
    return math.log(1 + (total - frequency + 0.5) / (frequency + 0.5))
