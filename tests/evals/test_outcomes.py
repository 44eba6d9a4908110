"""When is an answer right: learned from answers whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest

from chains.confidence import probability
from evals.outcomes import ENOUGH, fit_right, fit_written
from evals.records import Record
from tests.evals.made import answered

RANDOM = np.random.default_rng(3)


def records(count: int, *, right: float, extractive: bool = False) -> list[Record]:
    """So many English answers; supported ones are right with the chance `right`, the others never."""
    made = []
    for number in range(count):
        supported = number % 4 > 0
        signals = {
            "log_odds": float(RANDOM.normal(2, 1)),
            "supported": float(supported),
            "log_probability": 0.0 if extractive else float(RANDOM.uniform(-0.5, 0)),
            "extractive": float(extractive),
        }
        made.append(answered(number, contains=supported and RANDOM.uniform() < right, signals=signals, pairing="en"))
    return made


def test_what_is_supported_is_more_probably_right() -> None:
    weights = fit_right(records(400, right=0.9))["en"].weights
    assert weights["supported"] > 1
    assert abs(weights["log_odds"]) < 0.5


def test_sentences_of_the_sources_come_true_as_often_as_they_say() -> None:
    written, taken = records(400, right=0.9), records(400, right=0.4, extractive=True)
    fitted = fit_right([*written, *taken])["en"]
    said = sum(probability(fitted.of(one.signals)) for one in taken) / len(taken)
    assert said == pytest.approx(sum(one.came_true for one in taken) / len(taken), abs=0.01)


def test_too_few_answers_or_only_right_ones_teach_nothing() -> None:
    assert fit_written(records(ENOUGH - 1, right=0.5)) is None
    right = [one for one in records(400, right=1.0) if one.came_true]
    assert len(right) > ENOUGH
    assert fit_right(right) == {}
