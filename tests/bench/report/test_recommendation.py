"""The recommendation follows from the figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from bench.outcomes import Outcome
from bench.report.accuracy import quality, quality_changes
from bench.report.recommendation import Advice, weigh
from bench.report.records import Judged, LeftOut, Measured, Run
from bench.report.section_conclusion import conclusion
from bench.report.words import Words
from tests.bench.report.made import answered, failed, judgement, measured, noisy, run_of, usual


def found(*, first: float = 0.4, gap: float = 0.15, resident: float = 4.0, repeats: int = 3) -> list[Measured]:
    """bf16 as it is, and int8 with these figures."""
    return [
        *noisy("bf16", "x", first=0.4, gap=0.15, repeats=repeats, noise=0.01),
        *noisy("int8", "x", first=first, gap=gap, resident=resident, repeats=repeats, noise=0.01),
    ]


ENOUGH = [judgement("bf16", 300, 400), judgement("int8", 299, 400)]
FEW = [judgement("bf16", 5, 6), judgement("int8", 5, 6)]
LOST = [judgement("bf16", 300, 400), judgement("int8", 260, 400)]


@pytest.mark.parametrize(
    ("measurements", "judged", "advice"),
    [
        (found(first=0.2, gap=0.07, resident=2), ENOUGH, "take"),
        (found(first=0.2, gap=0.07, resident=2), FEW, "take if answers hold"),
        (found(first=0.2, gap=0.07, resident=2), [], "take if answers hold"),
        (found(first=0.2, gap=0.07, resident=2), LOST, "worse answers"),
        (found(first=0.8, gap=0.07, resident=2), ENOUGH, "mixed"),
        (found(first=0.8, gap=0.30, resident=5), ENOUGH, "keep"),
        (found(), ENOUGH, "no reason"),
        (found(first=0.2, gap=0.07, repeats=1), ENOUGH, "undecided"),
    ],
    ids=["better", "few questions", "no questions", "answers are worse", "mixed", "worse", "the same", "one repeat"],
)
def test_advice(measurements: Sequence[Measured], judged: Sequence[Judged], advice: Advice) -> None:
    assert weigh(run_of(*measurements, judged=judged), "int8").advice == advice


def with_tail(variant: str, usual: float, tail: float, gap: float) -> list[Measured]:
    """Of a hundred requests each tenth waits for its first token as long as `tail`."""
    return [
        measured(
            variant,
            "x",
            [answered(str(at), first=tail if at % 10 == 0 else usual, gap=gap) for at in range(100)],
            repeat=repeat,
        )
        for repeat in (1, 2, 3)
    ]


@pytest.mark.parametrize(
    ("bf16", "int8", "advice"),
    [
        ((0.4, 0.5, 0.10), (0.3, 4.0, 0.08), "mixed"),
        ((0.4, 0.5, 0.10), (0.4, 4.0, 0.10), "keep"),
        ((0.4, 4.0, 0.10), (0.5, 0.5, 0.10), "mixed"),
    ],
    ids=["only the tail is worse", "nothing but the tail changed", "only the tail is better"],
)
def test_a_sure_change_of_the_tail_is_listed_and_weighed(
    bf16: tuple[float, float, float], int8: tuple[float, float, float], advice: Advice
) -> None:
    run = run_of(*with_tail("bf16", *bf16), *with_tail("int8", *int8), judged=ENOUGH)

    assert weigh(run, "int8").advice == advice
    assert "TTFT P95 " in "\n".join(conclusion(run, Words("en")))


def test_a_tail_that_did_not_change_surely_is_not_listed() -> None:
    assert "P95" not in "\n".join(conclusion(run_of(*found(), judged=ENOUGH), Words("en")))


def of_length(variant: str, tokens: int) -> list[Measured]:
    outcomes = [answered(str(at), first=0.3, tokens=tokens) for at in range(20)]
    return [measured(variant, "x", outcomes, repeat=repeat) for repeat in (1, 2, 3)]


def test_shorter_answers_are_no_reason_to_take_a_variant() -> None:
    run = run_of(*of_length("bf16", 64), *of_length("int8", 12), judged=ENOUGH)
    weighed = weigh(run, "int8")

    assert weighed.advice == "no reason"
    assert {one.measure.key for one in weighed.unlike} == {"latency", "rps", "tokens", "cpu"}
    assert "not weighed, because the answers of the two are not equally long" in "\n".join(conclusion(run, Words("en")))
    assert weigh(run_of(*of_length("bf16", 64), *of_length("int8", 62), judged=ENOUGH), "int8").unlike == ()


def failing(variant: str, share: float) -> list[Measured]:
    """Its first requests fail."""
    return [
        replace(one, window=replace(one.window, outcomes=with_failures(one.window.outcomes, share)))
        for one in noisy(variant, "x", first=0.2, gap=0.07, resident=2, noise=0.01)
    ]


def with_failures(outcomes: Sequence[Outcome], share: float) -> tuple[Outcome, ...]:
    count = round(share * len(outcomes))
    return (*(failed(one.label) for one in outcomes[:count]), *outcomes[count:])


@pytest.mark.parametrize("share", [0.5, 1.0])
def test_a_variant_whose_requests_fail_is_not_to_be_taken_however_fast_the_others_are(share: float) -> None:
    run = run_of(*noisy("bf16", "x", first=0.4, gap=0.15, noise=0.01), *failing("int8", share), judged=ENOUGH)

    assert weigh(run, "int8").advice == "fails"
    assert "do not take int8 as it is: " in "\n".join(conclusion(run, Words("en")))


def test_a_variant_that_fails_no_more_than_it_may_is_weighed() -> None:
    both = [*failing("bf16", 0.5), *noisy("int8", "x", first=0.1, gap=0.03, resident=1, noise=0.01)]
    may = run_of(*noisy("bf16", "x", first=0.4, gap=0.15), *failing("int8", 0.05), judged=ENOUGH, allowed_errors=0.1)

    assert weigh(run_of(*both, judged=ENOUGH), "int8").advice == "take"
    assert weigh(may, "int8").advice == "take"


def test_of_what_was_not_measured_nothing_is_said() -> None:
    """The run was stopped before the second variant had its turn."""
    one = run_of(*noisy("bf16", "x", first=0.4, gap=0.15), variants=[{"name": "bf16"}, {"name": "int8"}])
    run = replace(one, variants=(*one.variants, replace(one.variants[0], name="int8")), complete=False)

    assert weigh(run, "int8").advice == "not measured"
    assert "nothing of int8 that could be compared with bf16" in "\n".join(conclusion(run, Words("en")))


def test_a_sure_change_of_less_than_two_percent_is_not_weighed() -> None:
    run = run_of(*found(first=0.396, gap=0.1485, resident=3.98))

    assert weigh(run, "int8").advice in ("no reason", "take if answers hold")
    assert all(abs(one.ratio.value - 1) >= 0.02 for one in weigh(run, "int8").better)


def test_of_the_same_weights_answers_need_not_be_measured() -> None:
    run = run_of(*noisy("a", "x", first=0.4, gap=0.15), *noisy("b", "x", first=0.2, gap=0.07))

    assert weigh(run, "b").advice == "take"


def test_answers_are_compared_question_by_question() -> None:
    (one,) = quality_changes(usual(), "int8")

    assert (one.n, one.lost, one.won, one.p) == (60, 1, 0, 1.0)
    assert one.difference.low is not None
    assert one.difference.low < -1 / 60 < 0


def test_a_variant_with_the_same_weights_has_the_others_answers() -> None:
    run = _with_twin(usual())
    twin = quality(run, "int8", "handbook")

    assert twin is not None
    assert (twin.of, len(twin.judged.questions)) == ("bf16", 60)
    assert list(quality_changes(run, "int8")) == []


def _with_twin(run: Run) -> Run:
    only = tuple(one for one in run.judged if one.variant == "bf16")
    return replace(run, judged=only, left_out=(LeftOut("int8", "handbook", "same weights", "bf16"),))


def test_questions_that_only_one_answered_are_left_out() -> None:
    run = usual(judged=(judgement("bf16", 54, 60), judgement("int8", 10, 12)))
    (one,) = quality_changes(run, "int8")

    assert (one.n, one.lost) == (12, 2)
