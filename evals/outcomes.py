"""When is an answer right? Learned from answers to labelled questions."""

from __future__ import annotations

from collections.abc import Sequence

from chains.coefficients import PAIRINGS, Linear, Pairing
from evals.fitting import fit_logistic
from evals.records import Record

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
        answers = [one for one in records if one.pairing == pairing and not one.refused and one.signals]
        if len(answers) >= ENOUGH and len({one.came_true for one in answers}) == _KINDS:
            found[pairing] = fit_logistic([one.signals for one in answers], [one.came_true for one in answers])
    return found
