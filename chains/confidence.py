"""How likely it is that the documents answer a question."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from chains.language import terms
from chains.retrieval import Found, searchable_text


@dataclass(frozen=True, slots=True)
class Calibration:
    """A logistic model; the numbers were fitted on labelled questions by `python -m evals.calibrate`."""

    bias: float = -3.0
    similarity: float = 3.0
    coverage: float = 3.0
    together: float = 1.0


REFUSE_BELOW = 0.12
"""Under this the model is not asked at all: what it would say could not be supported."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known before the model has said anything; all 0..1."""

    similarity: float
    """Of the best chunk."""
    coverage: float
    """The weighted share of the question's terms in the chunk that has most of them."""
    together: float
    """The share of the question's terms that all chunks have between them."""


def evidence(question: str, found: Sequence[Found]) -> Evidence:
    """Nothing found is no evidence."""
    if not found:
        return Evidence(0.0, 0.0, 0.0)
    asked = terms(question)
    seen = frozenset().union(*(terms(searchable_text(one.document)) for one in found))
    return Evidence(
        similarity=max(one.similarity for one in found),
        coverage=max(one.coverage for one in found),
        together=len(asked & seen) / len(asked) if asked else 0.0,
    )


def answerable(seen: Evidence, calibration: Calibration) -> float:
    """The probability that the documents answer the question, 0..1; 0 where nothing was found."""
    if seen == Evidence(0.0, 0.0, 0.0):
        return 0.0
    logit = (
        calibration.bias
        + calibration.similarity * seen.similarity
        + calibration.coverage * seen.coverage
        + calibration.together * seen.together
    )
    return 1 / (1 + math.exp(-logit))


def after_answer(before: float, *, refused: bool, supported_share: float) -> float:
    """
    The same once the answer is known: an answer whose sentences no source supports is worth less.

    `supported_share` is the part of its sentences that carry a citation, 0..1.
    """
    return round(before * (0.3 if refused else 0.4 + 0.6 * supported_share), 4)
