"""From results to tables: the figures are those that the samples give."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bench.bounds import Bounds
from bench.environment import Environment, here
from bench.errors import BenchError
from bench.outcomes import Answered, Failed, Outcome, Window
from bench.results import SCHEMA, Measurement, Plan, Results, ScenarioName, Work, read, save
from bench.serving import Step, missing_steps
from bench.serving_report import BF16, INT8, LLAMA, PIPELINE, report

MACHINE = Environment("a CPU", 2, 24 * 2**30, "an OS", "3.11", {"torch": "2"}, "abc")
BOUNDS = Bounds(2, 40.0, 20.0, 100.0, 800.0, 1600.0)


def answered(*, first: float = 1.0, gap: float = 0.1, cpu: float = 4.0, label: str = "") -> Answered:
    total = first + 99 * gap
    return Answered(label, 0.0, first, (gap,) * 99, total, 700, 100, cpu / 4, cpu)


def measured(
    engine: str, scenario: ScenarioName, *outcomes: Outcome, number: int = 1, clients: int = 1, resident: float = 4
) -> Measurement:
    cpu = sum(one.cpu_total_s for one in outcomes if isinstance(one, Answered))
    window = Window(clients, sum(one.total_s for one in outcomes), cpu, 0.5, outcomes)
    return Measurement(number, engine, scenario, window, int(resident * 2**30), 0.5)


def results(*measurements: Measurement, complete: bool = True) -> Results:
    return Results(
        benchmark="serving",
        started_at="2026-01-01T00:00:00+00:00",
        complete=complete,
        plan=Plan("a-model", 3, 8, 700, 100, 2),
        environment=MACHINE,
        bounds=BOUNDS,
        work=(Work(INT8, 1_500_000_000, 2_600_000_000, "int8"),),
        left_out=("llama.cpp, because",),
        measurements=measurements,
    )


def row(text: str, title: str) -> list[str]:
    line = next(line for line in text.splitlines() if line.startswith(f"| {title} |"))
    return [cell.strip() for cell in line.strip("|").split("|")][1:]


def test_ratios_are_taken_round_by_round() -> None:
    text = report(
        results(
            *(measured(INT8, "many clients", answered(cpu=cpu), number=n) for n, cpu in enumerate((2.0, 4.0, 5.0), 1)),
            *(
                measured(PIPELINE, "one client", answered(cpu=cpu), number=n)
                for n, cpu in enumerate((20.0, 20.0, 20.0), 1)
            ),
        )
    )

    assert row(text, "HuggingFacePipeline bf16, 8 clients")[0] == "5.00 (4.00..10.00)"


def test_what_was_not_measured_is_said() -> None:
    text = report(results(measured(INT8, "one client", answered())))

    assert row(text, "llama.cpp, 8 clients")[0] == "not measured"
    assert "Not measured: llama.cpp, because" in text


def test_a_stopped_run_says_so() -> None:
    assert "The run was stopped" in report(results(complete=False))
    assert "The run was stopped" not in report(results())


def test_precisions_are_compared() -> None:
    text = report(
        results(
            measured(BF16, "one client", answered(first=6, gap=0.3), resident=4),
            measured(INT8, "one client", answered(first=3, gap=0.09), resident=2),
        )
    )

    assert row(text, "step, wall ms")[:3] == ["300", "90", "-70 %"]
    assert row(text, "prompt, wall s")[:3] == ["6.00", "3.00", "-50 %"]
    assert row(text, "resident memory, GiB")[:3] == ["4.00", "2.00", "-50 %"]


def test_a_repeated_prefix_is_compared_with_a_cold_one() -> None:
    text = report(
        results(measured(INT8, "repeated prefix", answered(first=4, label="cold"), answered(first=2, label="repeated")))
    )

    assert row(text, "times shorter")[0] == "2.00"


def test_gaps_are_those_of_the_watched_stream() -> None:
    watched = replace(answered(label="watched"), gaps_s=(0.1, 0.1, 0.2, 2.0))
    text = report(results(measured(INT8, "joined by others", watched, answered(gap=9, label="other"))))

    assert row(text, "while others come in")[0] == "150"
    assert row(text, "while others come in")[2] == "2000"


def test_fractions_of_the_bounds() -> None:
    text = report(results(measured(INT8, "one client", answered(first=2.0, gap=0.075))))

    assert row(text, INT8)[:2] != []
    line = next(line for line in text.splitlines() if line.startswith(f"| {INT8} | 50 %"))
    assert "57 %" in line  # 2.6e9 * 700 operations at 1.6e12 a second are 1.14 s of 2


def test_failures_are_counted_and_shown() -> None:
    failed = Failed("", 0.0, 1.0, "HTTP 503: loading")
    text = report(results(measured(INT8, "one client", answered(), failed), measured(LLAMA, "one client", failed)))

    assert "Requests: 3, of which 2 failed." in text
    assert "HTTP 503: loading" in text


def test_it_says_where_the_weights_come_from_and_on_what_machine() -> None:
    text = report(results())

    assert "dequantized" in text
    assert "a CPU, 2 cores, 24 GiB" in text


def test_results_come_back_as_they_were_saved(tmp_path: Path) -> None:
    before = results(measured(INT8, "one client", answered(), Failed("", 0.0, 1.0, "x")))
    save(before, tmp_path / "results.json")

    assert read(tmp_path / "results.json") == before


def test_results_of_another_version_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "results.json"
    save(replace(results(), schema=SCHEMA + 1), file)
    with pytest.raises(BenchError, match=f"schema {SCHEMA + 1}"):
        read(file)
    file.write_text("[]")
    with pytest.raises(BenchError, match="cannot be read"):
        read(file)


def test_every_round_measures_everything_and_begins_elsewhere() -> None:
    steps = list(missing_steps(results(), [INT8, BF16, PIPELINE, LLAMA]))

    rounds = [[step for number, step in steps if number == wanted] for wanted in (1, 2, 3)]
    assert len(steps) == 24
    assert rounds[0][0] != rounds[1][0] != rounds[2][0]
    assert set(rounds[0]) == set(rounds[1]) == set(rounds[2])


def test_a_run_goes_on_with_what_is_missing() -> None:
    done = measured(INT8, "many clients", answered())
    steps = list(missing_steps(results(done), [INT8]))

    assert len(steps) == 11
    assert (1, Step(INT8, "many clients")) not in steps


def test_the_machine_is_known() -> None:
    machine = here()

    assert machine.cores >= 1
    assert machine.memory_bytes > 2**28
    assert machine.versions["torch"] != "not installed"
