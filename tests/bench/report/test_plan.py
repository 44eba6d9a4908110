"""In which order everything is measured."""

from __future__ import annotations

from bench.report.plan import Step, steps


def test_together_variants_take_turns_under_each_load_and_another_begins_each_time() -> None:
    found = list(steps(["a", "b", "c"], ["x", "y"], repeats=3, loading="together"))

    assert len(found) == len(set(found)) == 18
    assert [one.variant for one in found[:6]] == ["a", "b", "c", "b", "c", "a"]
    assert [one.scenario for one in found[:6]] == ["x", "x", "x", "y", "y", "y"]
    assert found[6] == Step(2, "b", "x")
    assert {one.variant for one in found[::3]} == {"a", "b", "c"}  # each begins as often


def test_apart_each_variant_has_all_loads_before_the_next_is_started() -> None:
    found = list(steps(["a", "b"], ["x", "y"], repeats=2, loading="apart"))

    assert [(one.repeat, one.variant, one.scenario) for one in found] == [
        (1, "a", "x"), (1, "a", "y"), (1, "b", "x"), (1, "b", "y"),
        (2, "b", "x"), (2, "b", "y"), (2, "a", "x"), (2, "a", "y"),
    ]  # fmt: skip
