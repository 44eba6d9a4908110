"""What is learned from examples that are made so that it is known."""

from __future__ import annotations

import numpy as np
import pytest

from chains.coefficients import Linear
from chains.confidence import probability
from chains.matching import NAMES
from evals.examples import Example
from evals.fitting import fit_gate, fit_logistic, fit_ranking, gates, rank_of_right, unseen_probabilities

RANDOM = np.random.default_rng(5)


def example(number: int, *, answerable: bool = True) -> Example:
    """Eight candidates; the right one has the largest cosine, and without an answer all cosines are small."""
    numbers = RANDOM.uniform(0, 1, (8, len(NAMES)))
    cosine = NAMES.index("cosine")
    numbers[:, cosine] *= 0.3
    right = np.zeros(8, dtype=bool)
    if answerable:
        right[number % 8] = True
        numbers[number % 8, cosine] = 0.8
    return Example("zh", f"d{number}", answerable, numbers, right)


EXAMPLES = [example(number, answerable=number % 3 > 0) for number in range(120)]


def test_the_number_that_tells_gets_the_weight() -> None:
    weights = fit_ranking(EXAMPLES).weights
    assert max(weights, key=lambda name: abs(weights[name])) == "cosine"
    assert all(rank_of_right(one, Linear(weights)) == 0 for one in EXAMPLES if one.answerable)


def test_where_nothing_is_right_there_is_no_rank() -> None:
    assert rank_of_right(example(0, answerable=False), Linear({"cosine": 1.0})) is None


def test_the_gate_tells_questions_with_an_answer_apart() -> None:
    ranker = fit_ranking(EXAMPLES)
    gate = fit_gate(EXAMPLES, ranker)
    chances = {one.answerable: probability(gate.of(one.evidence(ranker))) for one in EXAMPLES}
    assert chances[True] > 0.8 > 0.2 > chances[False]


def test_every_question_is_judged_once_by_weights_that_did_not_see_it() -> None:
    unseen = unseen_probabilities(EXAMPLES)
    assert sorted(one.document for one, *_ in unseen) == sorted(one.document for one in EXAMPLES)


def test_gates_let_the_shares_through_that_were_asked_for() -> None:
    chances, labels = [number / 100 for number in range(100)], [False] * 100
    assert gates(chances, labels, (0.2, 0.05)) == pytest.approx((0.792, 0.9405), abs=1e-3)


def test_a_logistic_fit_gives_back_the_odds_that_made_it() -> None:
    x = RANDOM.normal(size=4000)
    came_true = RANDOM.uniform(size=4000) < 1 / (1 + np.exp(-(0.5 + 2 * x)))
    found = fit_logistic([{"x": float(one)} for one in x], came_true.tolist(), 100.0)
    assert found.weights["x"] == pytest.approx(2, abs=0.2)
    assert found.weights["bias"] == pytest.approx(0.5, abs=0.15)
