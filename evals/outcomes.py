"""When is an answer right? Learned from answers to labelled questions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from chains.coefficients import PAIRINGS, Linear, Pairing, shipped
from evals.fitting import fit_logistic
from evals.records import Record

WEIGHED = ("log_odds", "supported", "log_probability", "extractive")
"""Of an answer's signals; the others say the same again, or are always the same in a run."""
ENOUGH = 40
"""Answers that a fit needs, with some right and some wrong among them."""
_KINDS = 2


def fit_right(records: Sequence[Record]) -> dict[Pairing, Linear]:
    """
    For each pairing with enough answers, the log-odds that one is right by its `signals`.

    Refusals do not count: their confidence is that of the documents holding an answer.
    """
    found: dict[Pairing, Linear] = {}
    for pairing in PAIRINGS:
        signals, came_true = labelled([one for one in records if one.pairing == pairing])
        if len(signals) >= ENOUGH and len(set(came_true)) == _KINDS:
            found[pairing] = _with_extractive(fit_logistic(signals, came_true), signals, pairing)
    return found


def _with_extractive(fitted: Linear, signals: Sequence[Mapping[str, float]], pairing: Pairing) -> Linear:
    """What sentences of the sources are worth, as larkwise knows it, where none was among the answers."""
    if any(one["extractive"] for one in signals):
        return fitted
    known = shipped().right[pairing].weights.get("extractive", 0.0)
    return Linear({**fitted.weights, "extractive": known})


def labelled(records: Sequence[Record]) -> tuple[list[Mapping[str, float]], list[bool]]:
    """What is known of each answer, and whether it is right."""
    answers = [one for one in records if not one.refused and one.signals]
    return [{name: one.signals[name] for name in WEIGHED} for one in answers], [one.came_true for one in answers]
