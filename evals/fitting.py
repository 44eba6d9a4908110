"""The coefficients, learned: which chunks rank high, whether there is an answer, and whether the one given is right."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence

import numpy as np
from scipy.optimize import minimize
from scipy.special import log_softmax, logsumexp
from sklearn.linear_model import LogisticRegression

from chains.coefficients import BIAS, Linear
from chains.confidence import probability
from chains.matching import NAMES
from evals.examples import Example, Numbers

FOLDS = 5
_RANK_PENALTY = 1e-3
_EVIDENCE_C = 0.3
_OUTCOME_C = 1.0
_TINY = 1e-6


def fit_ranking(examples: Sequence[Example]) -> Linear:
    """
    The weights under which right candidates are likely to be drawn first (a listwise softmax; Cao et al., 2007).

    Questions none of whose candidates is right teach nothing.
    """
    usable = [one for one in examples if one.right.any()]
    every = np.concatenate([one.numbers for one in usable])
    middle, spread = every.mean(0), every.std(0) + _TINY
    scaled = [(one.numbers - middle) / spread for one in usable]

    def loss(weights: Numbers) -> tuple[float, Numbers]:
        total, slope = _RANK_PENALTY * float(weights @ weights), 2 * _RANK_PENALTY * weights
        for numbers, one in zip(scaled, usable, strict=True):
            chances = log_softmax(numbers @ weights)
            of_right = float(logsumexp(chances[one.right]))
            among_right = np.where(one.right, np.exp(chances - of_right), 0.0)
            total -= of_right / len(usable)
            slope = slope + (np.exp(chances) - among_right) @ numbers / len(usable)
        return total, slope

    found = minimize(loss, np.zeros(len(NAMES)), jac=True, method="L-BFGS-B").x
    return _linear(NAMES, found / spread)


def fit_gate(examples: Sequence[Example], ranker: Linear) -> Linear:
    """The log-odds of an answer, by the evidence that all candidates give together."""
    return fit_logistic([one.evidence(ranker) for one in examples], [one.answerable for one in examples], _EVIDENCE_C)


def fit_logistic(seen: Sequence[Mapping[str, float]], came_true: Sequence[bool], c: float = _OUTCOME_C) -> Linear:
    """Logistic regression on named numbers; `c` as in scikit-learn: the smaller, the nearer to zero are the weights."""
    names = list(seen[0])
    every = np.array([[one[name] for name in names] for one in seen])
    middle, spread = every.mean(0), every.std(0) + _TINY
    model = LogisticRegression(C=c, max_iter=5000)
    model.fit((every - middle) / spread, came_true)
    weights = model.coef_[0] / spread
    return Linear({BIAS: round(float(model.intercept_[0] - middle @ weights), 4), **_linear(names, weights).weights})


def gates(
    probabilities: Sequence[float], answerable: Sequence[bool], false_answers: tuple[float, float]
) -> tuple[float, float]:
    """The probabilities above which no more than these shares of the questions without an answer lie."""
    without = [chance for chance, label in zip(probabilities, answerable, strict=True) if not label]
    low, high = (float(np.quantile(without, 1 - share)) for share in false_answers)
    return round(low, 4), round(high, 4)


def unseen_probabilities(examples: Sequence[Example]) -> list[tuple[Example, Linear, float]]:
    """Each with a ranker and a probability of an answer that were not learned from its document."""
    found = []
    for fold in range(FOLDS):
        seen = [one for one in examples if _fold(one) != fold]
        ranker = fit_ranking(seen)
        gate = fit_gate(seen, ranker)
        found += [(one, ranker, probability(gate.of(one.evidence(ranker)))) for one in examples if _fold(one) == fold]
    return found


def rank_of_right(example: Example, ranker: Linear) -> int | None:
    """The place of the first right candidate, from 0; None where there is none."""
    scores = [ranker.of(one) for one in example.matches()]
    order = sorted(range(len(scores)), key=lambda place: -scores[place])
    return next((rank for rank, place in enumerate(order) if example.right[place]), None)


def _fold(example: Example) -> int:
    return zlib.crc32(example.document.encode()) % FOLDS


def _linear(names: Sequence[str], weights: Numbers) -> Linear:
    return Linear({name: round(float(weight), 4) for name, weight in zip(names, weights, strict=True)})
