"""When is an answer right? Learned from answers to labelled questions."""

from __future__ import annotations

from collections.abc import Sequence

from scipy.optimize import brentq

from chains.coefficients import PAIRINGS, Linear, Pairing, shipped
from chains.confidence import probability
from evals.fitting import fit_logistic
from evals.records import Record

WEIGHED = ("log_odds", "supported", "log_probability")
"""Of an answer's signals; the others say the same again, or are always the same in a run."""
EXTRACTIVE = "extractive"
ENOUGH = 40
"""Answers that a fit needs, with some right and some wrong among them."""
_KINDS = 2
_WIDEST = 10.0
"""Log-odds."""


def fit_right(records: Sequence[Record]) -> dict[Pairing, Linear]:
    """
    For each pairing with enough answers, the log-odds that one is right by its `signals`.

    Refusals do not count: their confidence is that of the documents holding an answer. For sentences of the sources the
    weights are those of written answers, moved so that they come true as often as they say; where there are none, as
    much as in the weights that larkwise comes with.
    """
    found: dict[Pairing, Linear] = {}
    for pairing in PAIRINGS:
        here = [one for one in records if one.pairing == pairing]
        if fitted := fit_written(here):
            found[pairing] = Linear({**fitted.weights, EXTRACTIVE: _moved(fitted, here, pairing)})
    return found


def fit_written(records: Sequence[Record]) -> Linear | None:
    """Of answers that a model wrote; None where they are too few."""
    answers = [one for one in _answers(records) if not one.signals[EXTRACTIVE]]
    came_true = [one.came_true for one in answers]
    if len(answers) < ENOUGH or len(set(came_true)) < _KINDS:
        return None
    return fit_logistic([{name: one.signals[name] for name in WEIGHED} for one in answers], came_true)


def _moved(fitted: Linear, records: Sequence[Record], pairing: Pairing) -> float:
    answers = [one for one in _answers(records) if one.signals[EXTRACTIVE]]
    if len(answers) < ENOUGH:
        return shipped().right[pairing].weights.get(EXTRACTIVE, 0.0)
    share = sum(one.came_true for one in answers) / len(answers)

    def too_sure(by: float) -> float:
        return sum(probability(fitted.of(one.signals) + by) for one in answers) / len(answers) - share

    return round(float(brentq(too_sure, -_WIDEST, _WIDEST)), 4)


def _answers(records: Sequence[Record]) -> list[Record]:
    return [one for one in records if not one.refused and one.signals]
