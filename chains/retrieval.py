"""From a question to the chunks that may answer it: near in meaning, or sharing its words; the best first."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, zip_longest
from typing import Any, Protocol, TypeAlias, runtime_checkable

from langchain_core.documents import Document
from langchain_core.documents.compressor import BaseDocumentCompressor
from langchain_core.vectorstores import VectorStore

from chains import words
from chains.answers import Source
from chains.coefficients import Pairing, shipped
from chains.confidence import Calibration, evidence, shipped_calibration
from chains.language import written
from chains.matching import Asked, Candidate, as_numbers, matches
from chains.passages import plain
from chains.ranking import MATCH, LearnedRanker, pairing_of

_PLACE = "larkwise_place"
Filter: TypeAlias = Mapping[str, Any] | Callable[[Document], bool]
"""What chunks must be like: `{"department": "hr"}`, with operators such as `$in`; applied before the search."""


@runtime_checkable
class HybridSearch(Protocol):
    """A vector store that also has an index of words."""

    def hybrid_search(
        self, question: str, k: int, *, filter: Filter | None = None
    ) -> list[tuple[Document, float, float]]:
        """Chunks with their cosine and BM25 score: the `k` best of either kind."""

    def rarities(self, words: Sequence[str]) -> list[float]:
        """BM25's weight of each word."""


@dataclass(frozen=True, slots=True)
class Found:
    """A chunk that may answer; `score` is the probability, 0..1, that it does, as far as that can be told before."""

    document: Document
    cosine: float
    bm25: float
    score: float


@dataclass(frozen=True, slots=True)
class Retrieved:
    """
    What was found, best first, and how likely it is that it holds the answer, 0..1.

    `pairing` says whether the question and the best chunks are of the same script.
    """

    found: tuple[Found, ...]
    answerable: float
    pairing: Pairing
    weights: Mapping[str, float]
    """How telling each term of the question is here."""


NOTHING = Retrieved((), 0.0, "en", {})


def retrieve(
    store: VectorStore,
    question: str,
    *,
    top_k: int = 10,
    fetch_k: int = 20,
    filter: Filter | None = None,
    ranker: BaseDocumentCompressor | None = None,
    calibration: Calibration | None = None,
) -> Retrieved:
    """
    The `top_k` best of the `fetch_k` chunks nearest in meaning and the `fetch_k` that share the most telling words.

    A chunk in another script than the question's shares no words with it, so the two kinds are ranked and judged
    apart; those that more probably answer come first. Chunks with the same text come once.
    """
    asked, groups = candidates_by_pairing(store, question, fetch_k=fetch_k, filter=filter)
    ranker, calibration = ranker or LearnedRanker(), calibration or shipped_calibration()
    judged = [_judged(asked, group, pairing, ranker, calibration) for pairing, group in groups.items()]
    judged.sort(key=lambda one: -one.answerable)
    if not judged:
        return NOTHING
    together = [one for group in judged for one in group.found]
    return Retrieved(tuple(together[:top_k]), judged[0].answerable, judged[0].pairing, asked.weights)


def together(searches: Sequence[Retrieved]) -> Retrieved:
    """What several wordings of one question found, in turn, each chunk once; judged by the best of them."""
    best = max(searches, key=lambda one: one.answerable, default=NOTHING)
    if len(searches) < 2:
        return best
    in_turn = chain.from_iterable(zip_longest(*(one.found for one in searches)))
    by_text: dict[str, Found] = {}
    for found in filter(None, in_turn):
        by_text.setdefault(plain(found.document.page_content), found)
    return replace(best, found=tuple(by_text.values()))


def candidates_by_pairing(
    store: VectorStore, question: str, *, fetch_k: int = 20, filter: Filter | None = None
) -> tuple[Asked, dict[Pairing, list[Candidate]]]:
    """What is ranked: the question with its terms' weights, and the chunks that either search found, each text once."""
    asked, candidates = _candidates(store, question, fetch_k, filter)
    return asked, _by_pairing(question, _distinct(candidates))


def as_source(found: Found) -> Source:
    """As shown to a person."""
    document = found.document
    return {
        "id": str(document.id or ""),
        "content": document.page_content,
        "metadata": dict(document.metadata),
        "score": round(found.score, 4),
    }


def _candidates(
    store: VectorStore, question: str, fetch_k: int, filter: Filter | None
) -> tuple[Asked, list[Candidate]]:
    ways = written(question)
    if isinstance(store, HybridSearch):
        found = [Candidate(*one) for one in store.hybrid_search(question, fetch_k, filter=filter)]
        return Asked(question, dict(zip(ways, store.rarities(list(ways.values())), strict=True))), found
    given = {} if filter is None else {"filter": filter}
    near = store.similarity_search_with_score(question, k=3 * fetch_k, **given)
    return words.compared(question, near)


def _distinct(candidates: Sequence[Candidate]) -> list[Candidate]:
    """The first of those with the same text."""
    return list({plain(one.document.page_content): one for one in reversed(candidates)}.values())[::-1]


def _by_pairing(question: str, candidates: Sequence[Candidate]) -> dict[Pairing, list[Candidate]]:
    groups: dict[Pairing, list[Candidate]] = {}
    for one in candidates:
        groups.setdefault(pairing_of(question, one.document), []).append(one)
    return groups


def _judged(
    asked: Asked,
    candidates: Sequence[Candidate],
    pairing: Pairing,
    ranker: BaseDocumentCompressor,
    calibration: Calibration,
) -> Retrieved:
    """One group, ranked, and the probability that it answers."""
    numbers = [as_numbers(match) for match in matches(asked, candidates)]
    scores = [shipped().ranking[pairing].of(one) for one in numbers]
    answerable = calibration.answerable(evidence(numbers, scores), pairing)
    found = [
        Found(one.document, one.cosine, one.bm25, answerable * math.exp(score - max(scores)))
        for one, score in zip(candidates, scores, strict=True)
    ]
    order = _ranked([one.document for one in candidates], numbers, asked.text, ranker)
    return Retrieved(tuple(found[place] for place in order), answerable, pairing, asked.weights)


def _ranked(
    documents: Sequence[Document],
    numbers: Sequence[Mapping[str, float]],
    question: str,
    ranker: BaseDocumentCompressor,
) -> list[int]:
    """The places of the documents that the ranker keeps, best first."""
    given = [
        Document(one.page_content, id=one.id, metadata={**one.metadata, MATCH: match, _PLACE: place})
        for place, (one, match) in enumerate(zip(documents, numbers, strict=True))
    ]
    return [int(one.metadata[_PLACE]) for one in ranker.compress_documents(given, question)]
