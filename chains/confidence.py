"""How likely it is that the documents answer a question."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from chains.language import terms
from chains.retrieval import Found, searchable_text


@dataclass(frozen=True, slots=True)
class Calibration:
    """
    A logistic model of the evidence, fitted as `evals.calibrate` does on the handbook's questions and on 770 others
    about Chinese and English encyclopedia articles; AUC .99 on the handbook, .94 and .89 on the others.
    """

    bias: float = -5.90
    similarity: float = 4.98
    coverage: float = 6.75
    together: float = 1.21


REFUSE_BELOW = 0.10
"""
Under this the model is not asked at all: what it would say could not be supported. On the calibration questions 2 %
of those that have an answer lie below, and a half of those that have none.
"""

ANSWER_FROM = 0.6
"""
From here on the model is told to answer and not offered to refuse, because it takes that offer far too often: one in
three of the Chinese questions whose passage it had. A tenth of the questions without an answer lie above.
"""


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
