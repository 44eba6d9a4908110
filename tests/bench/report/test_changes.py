"""Changes are computed, and arrows follow from their intervals."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bench.outcomes import Answered
from bench.report.changes import change, changes, verdict
from bench.report.intervals import Interval
from bench.report.measures import (
    CPU,
    GPU_MEMORY,
    LATENCY,
    MEMORY,
    RPS,
    SPEED,
    TOKENS,
    TTFT,
    busy_elsewhere,
    came_at_once,
    figure,
)
from tests.bench.report.made import answered, failed, measured, noisy, run_of


def two(first: float, other: float, *, repeats: int = 3) -> list[list[float]]:
    return [[first] * repeats, [other] * repeats]


@pytest.mark.parametrize(
    ("low", "high", "better", "expected"),
    [
        (0.8, 0.9, "less", "better"),
        (0.8, 0.9, "more", "worse"),
        (1.1, 1.2, "less", "worse"),
        (1.1, 1.2, "more", "better"),
        (0.9, 1.1, "less", "same"),
        (1.0, 1.2, "less", "same"),
        (None, None, "less", "untested"),
    ],
)
def test_a_verdict_is_where_the_interval_lies(
    low: float | None, high: float | None, better: str, expected: str
) -> None:
    assert verdict(Interval(1.0, low, high), "less" if better == "less" else "more") == expected


def test_a_change_is_that_of_the_same_prompts() -> None:
    """A repeat with long prompts only in one variant would look like a change."""
    before = [measured("a", "x", [answered("0", first=1.0), answered("1", first=9.0)], repeat=n) for n in (1, 2)]
    after = [measured("b", "x", [answered("0", first=0.5)], repeat=n) for n in (1, 2)]
    found = change(run_of(*before, *after), "b", "x", TTFT)

    assert found is not None
    assert found.ratio.value == 0.5
    assert (found.before.median, found.after.median) == (1.0, 0.5)
    assert not found.is_of_all


def test_a_repeat_that_was_cut_off_counts_in_no_figure_of_repeats() -> None:
    """Of eight clients one had its answer when the run was stopped; the others' CPU was spent as well."""
    whole = [measured(name, "x", [answered("0")] * 40, repeat=n, wall=6) for name in ("a", "b") for n in (1, 2)]
    cut = replace(measured("b", "x", [answered("0")], repeat=3, wall=1.2), whole=False)
    run = run_of(*whole, measured("a", "x", [answered("0")] * 40, repeat=3, wall=6), cut)

    for measure in (RPS, CPU):
        assert figure(run, "b", "x", measure) == figure(run_of(*whole), "b", "x", measure)
        found = change(run, "b", "x", measure)
        assert found is not None
        assert found.ratio.value == pytest.approx(1)
    assert figure(run_of(cut), "b", "x", RPS) is not None


def test_figures_are_those_of_the_requests_and_the_repeats() -> None:
    one = measured("a", "x", [answered("0", first=0.5, gap=0.05, tokens=11)] * 4, wall=2.0)
    run = run_of(one, replace(one, repeat=2), repeats=2)

    shown = {one.key: figure(run, "a", "x", one) for one in (TTFT, SPEED, LATENCY, RPS, TOKENS, CPU, MEMORY)}
    assert {key: round(value.median, 3) for key, value in shown.items() if value} == {
        "ttft": 0.5,
        "speed": 20.0,
        "latency": 1.0,
        "rps": 2.0,
        "tokens": 22.0,
        "cpu": 1.0,
        "memory": 4.0,
    }


def test_what_is_not_known_is_no_figure() -> None:
    run = run_of(measured("a", "x", [answered("0", tokens=1)], resident=None))

    assert [figure(run, "a", "x", one) for one in (SPEED, CPU, MEMORY, GPU_MEMORY)] == [None] * 4
    assert busy_elsewhere(run) is None


def test_a_figure_of_a_variant_that_answered_nothing_is_none() -> None:
    run = run_of(measured("a", "x", [answered("0")]), measured("b", "x", [failed("0")]))

    assert figure(run, "b", "x", TTFT) is None
    assert figure(run, "b", "x", RPS) is None
    assert [one.measure.key for one in changes(run, "b", "x")] == ["memory"]


def test_one_repeat_tests_nothing() -> None:
    found = list(
        changes(
            run_of(*noisy("a", "x", first=1, gap=1, repeats=1), *noisy("b", "x", first=2, gap=2, repeats=1)), "b", "x"
        )
    )

    assert found
    assert {one.verdict for one in found} == {"untested"}


def test_noise_is_no_difference() -> None:
    run = run_of(*noisy("a", "x", first=1, gap=0.1, noise=0.3), *noisy("b", "x", first=1, gap=0.1, noise=0.3, seed=2))

    found = [one.verdict for one in changes(run, "b", "x")]
    assert found.count("same") >= len(found) - 1  # each by itself is wrong once in twenty times


def test_what_only_one_of_them_has_is_not_compared() -> None:
    run = run_of(*noisy("a", "x", first=1, gap=0.1), *noisy("b", "y", first=1, gap=0.1))

    assert list(changes(run, "b", "x")) == []
    assert list(changes(run, "b", "y")) == []


def test_times_between_tokens_count_tokens_and_not_pieces() -> None:
    pieces = Answered("0", 0.0, 0.1, (0.2, 0.2), 0.5, 7, 9, 0.0, 0.0)  # three pieces of nine tokens

    assert SPEED.value(pieces) == pytest.approx(6 / 0.4)


@pytest.mark.parametrize(
    ("gaps", "total", "at_once"),
    [
        ((0.00005,) * 19, 0.2, True),
        ((0.0005,) * 19, 2.0, True),
        ((), 2.0, True),
        ((0.0005,) * 19, 0.02, False),
        ((0.02,) * 19, 90.0, False),
        ((0.0,) * 9 + (0.2,) + (0.0,) * 9, 0.4, False),
    ],
    ids=["read at once", "through a network", "one piece", "very fast", "after a long wait", "two parts"],
)
def test_an_answer_that_was_sent_at_once_has_no_speed(gaps: tuple[float, ...], total: float, at_once: bool) -> None:
    answer = Answered("0", 0.0, total - sum(gaps), gaps, total, 7, 20, 0.0, 0.0)

    assert came_at_once(answer) is at_once
    assert (SPEED.value(answer) is None) is at_once
