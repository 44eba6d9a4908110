"""Intervals hold what they should, as often as they should."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from bench.report.intervals import (
    Interval,
    Repeats,
    mcnemar,
    paired_difference,
    paired_percentiles_ratio,
    percentiles_ratio,
    repeats_ratio,
    runs_ratio,
    share,
)
from evals import intervals as evals


def repeats(chance: np.random.Generator, median: float) -> Repeats:
    """Three repeats of 40 requests."""
    return tuple(tuple(median * np.exp(chance.normal(0, 0.1, size=40))) for _ in range(3))


def times(repeats: Repeats, factor: float) -> Repeats:
    return tuple(tuple(factor * one for one in repeat) for repeat in repeats)


def test_half_the_time_is_a_half_and_is_sure() -> None:
    before = repeats(np.random.default_rng(1), 2.0)
    found = paired_percentiles_ratio(before, times(before, 0.5), 50)

    assert (found.value, found.low, found.high) == pytest.approx((0.5, 0.5, 0.5))


def test_where_repeats_differ_more_than_requests_the_interval_still_holds_the_truth() -> None:
    held = 0
    for seed in range(40):
        chance = np.random.default_rng(seed)
        before = tuple(times((one,), float(np.exp(chance.normal(0, 0.2))))[0] for one in repeats(chance, 2.0))
        after = tuple(times((one,), float(np.exp(chance.normal(0, 0.2))))[0] for one in repeats(chance, 2.0))
        found = paired_percentiles_ratio(before, after, 50)
        assert found.low is not None
        assert found.high is not None
        held += found.low <= 1 <= found.high

    assert held >= 36  # the bootstrap alone holds it in some thirty


def test_one_repeat_of_requests_has_no_interval() -> None:
    found = paired_percentiles_ratio(((1.0, 2.0),), ((2.0, 4.0),), 50)

    assert (found.value, found.low, found.high) == (2.0, None, None)


def test_the_same_twice_is_no_difference() -> None:
    chance = np.random.default_rng(2)
    found = paired_percentiles_ratio(repeats(chance, 2.0), repeats(chance, 2.0), 50)

    assert found.low is not None
    assert found.high is not None
    assert found.low < 1 < found.high


def test_a_figure_is_drawn_the_same_way_each_time() -> None:
    before, after = repeats(np.random.default_rng(3), 2.0), repeats(np.random.default_rng(4), 1.9)

    found = paired_percentiles_ratio(before, after, 95)
    paired_percentiles_ratio.cache_clear()
    assert found == paired_percentiles_ratio(before, after, 95)


def test_repeats_may_have_lost_requests() -> None:
    found = paired_percentiles_ratio(((1.0, 1.0, 1.0), (1.0,)), ((2.0, 2.0, 2.0), (2.0,)), 50)

    assert (found.value, found.low, found.high) == (2.0, 2.0, 2.0)


@pytest.mark.parametrize("ratio", [paired_percentiles_ratio, percentiles_ratio])
def test_an_interval_of_medians_mostly_holds_the_truth(ratio: Callable[[Repeats, Repeats, float], Interval]) -> None:
    held = 0
    for seed in range(60):
        chance = np.random.default_rng(seed)
        found = ratio(repeats(chance, 2.0), repeats(chance, 1.0), 50)
        assert found.low is not None
        assert found.high is not None
        held += found.low <= 0.5 <= found.high

    assert held >= 52  # of 60; 95 % are 57


def test_many_requests_are_drawn_in_parts() -> None:
    chance = np.random.default_rng(5)
    many = tuple(tuple(chance.normal(5, 0.1, size=4000)) for _ in range(2))
    found = paired_percentiles_ratio(many, times(many, 2), 99)

    assert (found.value, found.low, found.high) == pytest.approx((2, 2, 2))


def test_the_interval_of_three_repeats_holds_the_truth_nineteen_times_in_twenty() -> None:
    held = 0
    for seed in range(400):
        noise = np.exp(np.random.default_rng(seed).normal(0, 0.05, size=3))
        found = repeats_ratio([2.0, 2.0, 2.0], list(3.0 * noise))
        assert found.low is not None
        assert found.high is not None
        held += found.low <= 1.5 <= found.high

    assert held / 400 == pytest.approx(0.95, abs=0.03)


def test_one_repeat_has_no_interval() -> None:
    assert repeats_ratio([2.0], [3.0]).value == pytest.approx(1.5)
    assert repeats_ratio([2.0], [3.0]).low is None
    assert runs_ratio([2.0], [3.0, 3.0]).high is None


def test_runs_that_do_not_belong_together_are_compared_without_pairs() -> None:
    apart = runs_ratio([1.0, 1.1, 0.9], [2.0, 2.2, 1.8])
    assert apart.value == pytest.approx(2.0)
    assert apart.low is not None
    assert 1 < apart.low < 2
    assert runs_ratio([1.0, 1.0], [2.0, 2.0]) == runs_ratio([1.0, 1.0], [2.0, 2.0])


@pytest.mark.parametrize(("right", "n"), [(0, 5), (5, 5), (30, 60), (1, 1000)])
def test_shares_are_those_of_the_evaluations(right: int, n: int) -> None:
    ours, theirs = share(right, n), evals.share([True] * right + [False] * (n - right))

    assert (ours.value, ours.low, ours.high) == pytest.approx((theirs.value, theirs.low, theirs.high))


@pytest.mark.parametrize(("lost", "won", "n"), [(0, 0, 60), (5, 1, 60), (1, 5, 60), (30, 10, 250), (3, 0, 3)])
def test_paired_differences_agree_with_the_evaluations_bound(lost: int, won: int, n: int) -> None:
    """They give a one-sided bound of 95 %, which is inside of our two-sided interval, and on the same curve."""
    found = paired_difference(lost, won, n)

    assert found.low is not None
    assert found.high is not None
    assert found.low < (won - lost) / n + 1e-9
    assert -found.low > evals.paired_loss_upper_bound(lost, won, n) - 1e-9
    assert paired_difference(won, lost, n).high == pytest.approx(-found.low)
    assert found.low <= found.value <= found.high


def test_no_difference_in_a_few_questions_proves_no_equality() -> None:
    found = paired_difference(0, 0, 60)

    assert (found.low, found.high) == pytest.approx((-0.0602, 0.0602), abs=0.001)


@pytest.mark.parametrize(("lost", "won"), [(0, 0), (5, 1), (12, 12), (900, 700)])
def test_mcnemar_is_that_of_the_evaluations(lost: int, won: int) -> None:
    assert mcnemar(lost, won) == pytest.approx(evals.mcnemar(lost, won))
