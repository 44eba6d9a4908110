"""What changed between two runs, and when that is a regression."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bench.cli import commands
from bench.errors import InvalidRun
from bench.report.records import LeftOut, Run, save
from bench.report.runs_compared import compared
from tests.bench.report.made import MACHINE, answered, failed, judgement, measured, noisy, run_of, usual


def speeds(*, first: float = 1.0, repeats: int = 3, seed: int = 1, scenario: str = "x") -> Run:
    return run_of(*noisy("a", scenario, first=first, gap=0.1, repeats=repeats, seed=seed, noise=0.05))


def moved(before: Run, after: Run) -> dict[tuple[str, int], str]:
    return {(one.measure.key, one.percent): one.verdict for one in compared(before, after).moved}


def test_the_same_run_again_is_no_difference() -> None:
    found = moved(speeds(), speeds(seed=2))

    assert found["ttft", 50] == "same"
    assert found["rps", 50] == "same"


def test_a_slower_run_is_a_regression_past_the_bound() -> None:
    found = compared(speeds(), speeds(first=1.5, seed=2))

    assert any("ttft is 5" in one or "ttft is 4" in one for one in found.regressions(max_percent=5, max_points=0))
    assert found.regressions(max_percent=100, max_points=0) == []
    assert compared(speeds(first=1.5), speeds(seed=2)).regressions(max_percent=5, max_points=0) == []


def test_without_repeats_the_middle_values_decide() -> None:
    found = compared(speeds(repeats=1), speeds(first=1.5, repeats=1, seed=2))

    assert {one.verdict for one in found.moved} == {"untested"}
    assert found.regressions(max_percent=20, max_points=0)


def test_lost_answers_are_a_regression() -> None:
    before, after = usual(judged=(judgement("int8", 300, 400),)), usual(judged=(judgement("int8", 260, 400),))
    found = compared(before, after)

    assert (found.answers[0].lost, found.answers[0].won) == (40, 0)
    assert found.regressions(max_percent=5, max_points=0) == ["int8, handbook: 10.0 points of right answers are lost"]
    assert found.regressions(max_percent=5, max_points=15) == []


def test_a_twin_may_have_answered_for_both() -> None:
    """The later run has another variant with the same weights, which was asked instead."""
    before = usual(judged=(judgement("int8", 300, 400),))
    after = usual(
        judged=(judgement("int8 large", 299, 400),),
        left_out=(LeftOut("int8", "handbook", "same weights", "int8 large"),),
    )
    found = compared(before, after)

    assert found.missing == ()
    assert found.answers[0].lost == 1


def test_more_failures_are_a_regression_and_so_is_what_is_missing() -> None:
    before = run_of(measured("a", "x", [answered("0")] * 4), measured("a", "y", [answered("0")]))
    after = run_of(measured("a", "x", [answered("0"), failed("1"), failed("2"), failed("3")]))
    found = compared(before, after).regressions(max_percent=1000, max_points=0)

    assert found == ["a, x: 75.0 % of requests fail, and 0.0 % did", "not measured again: a, y"]


def test_figures_and_questions_that_are_gone_are_missing() -> None:
    """The later run was made without the server's process, of a server that sends its answers at once, and shorter."""
    before = run_of(measured("a", "x", [answered("0")] * 4), judged=[judgement("a", 54, 60)])
    after = run_of(measured("a", "x", [answered("0", gap=0.00001)] * 4, resident=None), judged=[judgement("a", 8, 8)])
    found = compared(before, after)

    assert found.missing == ("a, x: memory", "a, x: speed", "a, x: cpu", "a on handbook: 52 of 60 questions")
    assert compared(after, before).missing == ()
    assert "not measured again: a, x: memory" in found.regressions(max_percent=1000, max_points=100)


def test_runs_that_have_nothing_in_common_are_told() -> None:
    with pytest.raises(InvalidRun, match="nothing can be compared"):
        compared(speeds(), speeds(scenario="y"))


def test_what_makes_runs_unlike_is_noted() -> None:
    before = speeds()
    after = replace(
        run_of(*before.measured, answer_tokens=99, loads={"x": {"clients": 2}}),
        environment=replace(MACHINE, cpu="another"),
        complete=False,
        asked="other words",
    )
    notes = " / ".join(compared(replace(before, asked="words"), after).notes)

    assert "different machines" in notes
    assert "other prompts" in notes
    assert "the words of the questions, were others" in notes
    assert "the load 'x' was another one" in notes
    assert "the later run is partial" in notes


@pytest.fixture
def folders(tmp_path: Path) -> list[str]:
    """A run, and a slower one."""
    for name, run in (("before", speeds()), ("after", speeds(first=1.5, seed=2))):
        (tmp_path / name).mkdir()
        save(run, tmp_path / name)
    return [str(tmp_path / "before"), str(tmp_path / "after")]


def test_the_command_fails_on_a_regression_past_its_bound(folders: list[str]) -> None:
    runner = CliRunner()
    shown = runner.invoke(commands, ["compare", *folders])
    failing = runner.invoke(commands, ["compare", *folders, "--max-regression", "10"])
    passing = runner.invoke(commands, ["compare", *folders, "--max-regression", "80"])
    faster = runner.invoke(commands, ["compare", *folders[::-1], "--max-regression", "0"])

    assert [one.exit_code for one in (shown, failing, passing, faster)] == [0, 1, 0, 0]
    assert "| x | a | TTFT |" in shown.output
    assert "worse" in shown.output
    assert "ttft is" in failing.output


def test_it_says_the_same_to_programs(folders: list[str]) -> None:
    found = json.loads(CliRunner().invoke(commands, ["compare", *folders, "--json"]).stdout)

    ttft = next(one for one in found["moved"] if (one["measure"], one["percentile"]) == ("ttft", 50))
    assert ttft["verdict"] == "worse"
    assert ttft["ratio"] == pytest.approx(1.5, rel=0.1)


def test_a_folder_that_holds_no_run_is_a_mistake_of_usage(folders: list[str], tmp_path: Path) -> None:
    assert CliRunner().invoke(commands, ["compare", folders[0], str(tmp_path / "none")]).exit_code == 2
