"""The figures as other programs read them: comma-separated, with a header; an empty cell is nothing known."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median

from bench.figures import percentile
from bench.outcomes import Answered
from bench.report.changes import changes
from bench.report.measures import (
    BETWEEN,
    CPU,
    GPU_MEMORY,
    LATENCY,
    MEMORY,
    PEAK,
    PERCENTS,
    RPS,
    SPEED,
    TOKENS,
    TTFT,
    Measure,
    figure,
    gaps,
)
from bench.report.records import Measured, Run

_COLUMNS: Mapping[str, tuple[Measure, float]] = {
    "memory_gib": (MEMORY, 1),
    "peak_memory_gib": (PEAK, 1),
    "gpu_memory_gib": (GPU_MEMORY, 1),
    "speed_tokens_per_s": (SPEED, 1),
    "requests_per_s": (RPS, 1),
    "tokens_per_s": (TOKENS, 1),
    "cpu_s_per_request": (CPU, 1),
    "time_per_token_ms": (BETWEEN, 1000),
}
"""With what they are multiplied by; each has its least and greatest of the repeats beside it."""
_NAMED = ("scenario", "variant")
"""What the rows of results.csv begin with; all that is said where there are none."""
_OF_REQUEST = (
    "variant", "scenario", "repeat", "request", "due_s", "sent_late_ms", "ttft_ms", "latency_ms", "gap_median_ms",
    "gap_longest_ms", "prompt_tokens", "completion_tokens", "server_cpu_meanwhile_s", "error",
)  # fmt: skip
_OF_QUESTION = ("set", "variant", "question", "right")


def write_results(run: Run, file: Path) -> None:
    """A row for each variant under each load."""
    rows = [dict(_result(run, one.name, scenario)) for scenario in run.scenarios() for one in run.variants]
    _write(file, rows[0] if rows else _NAMED, rows)


def write_full_results(run: Run, file: Path) -> None:
    """A row for each request."""
    _write(file, _OF_REQUEST, [row for one in run.measured for row in _requests(one)])


def write_accuracy(run: Run, file: Path) -> None:
    """A row for each question that a variant was asked."""
    rows = (
        (one.set, one.variant, question.id, int(question.right)) for one in run.judged for question in one.questions
    )
    _write(file, _OF_QUESTION, [dict(zip(_OF_QUESTION, row, strict=True)) for row in rows])


def _result(run: Run, variant: str, scenario: str) -> Iterator[tuple[str, object]]:
    facts, load, measured = run.facts(variant), run.config.scenario(scenario), run.of(variant, scenario)
    answers = run.answers(variant, scenario)
    yield from (("scenario", scenario), ("variant", variant), ("is_baseline", int(variant == run.base)))
    yield from (("provider", facts.provider), ("precision", facts.precision), ("model", facts.model))
    yield from (("clients", load.clients or ""), ("arrivals_per_s", load.requests_per_s or ""))
    yield from (("repeats", len(measured)), ("answered", len(answers)))
    yield "failed", len(run.failures(variant, scenario))
    for name, (measure, times) in _COLUMNS.items():
        found = figure(run, variant, scenario, measure)
        for column, value in ((name, "median"), (f"{name}_least", "low"), (f"{name}_greatest", "high")):
            yield column, _number(times * getattr(found, value)) if found else ""
    samples = {
        "ttft": [one.first_text_s for one in answers],
        "latency": [one.total_s for one in answers],
        "gap": gaps(run, variant, scenario),
    }
    for name, values in samples.items():
        for percent in PERCENTS:
            yield f"{name}_p{percent}_ms", _number(1000 * percentile(values, percent)) if values else ""
    yield "bound_share", _of_bound(run, variant, scenario)
    found_changes = {(one.measure.key, one.percent): one for one in changes(run, variant, scenario)}
    for column, key in _CHANGES.items():
        one = found_changes.get(key) if variant != run.base else None
        low, high = (one.ratio.low, one.ratio.high) if one else (None, None)
        yield f"{column}_change", _number(one.ratio.value - 1) if one else ""
        yield f"{column}_change_low", _number(low - 1) if low is not None else ""
        yield f"{column}_change_high", _number(high - 1) if high is not None else ""
        yield f"{column}_verdict", one.verdict if one else ""


_CHANGES: Mapping[str, tuple[str, int]] = {
    "memory": (MEMORY.key, 50),
    "gpu_memory": (GPU_MEMORY.key, 50),
    "speed": (SPEED.key, 50),
    "ttft_p50": (TTFT.key, 50),
    "ttft_p95": (TTFT.key, 95),
    "latency_p50": (LATENCY.key, 50),
    "latency_p95": (LATENCY.key, 95),
    "requests_per_s": (RPS.key, 50),
    "tokens_per_s": (TOKENS.key, 50),
    "cpu": (CPU.key, 50),
}


def _of_bound(run: Run, variant: str, scenario: str) -> str:
    size, found = run.facts(variant).step_bytes, figure(run, variant, scenario, BETWEEN)
    if run.bounds is None or size is None or found is None:
        return ""
    return _number(size / (run.bounds.read_gb_s * 1e9) / found.median)


def _requests(one: Measured) -> Iterator[dict[str, object]]:
    for outcome in one.window.outcomes:
        answered = outcome if isinstance(outcome, Answered) else None
        yield {
            "variant": one.variant,
            "scenario": one.scenario,
            "repeat": one.repeat,
            "request": outcome.label,
            "due_s": _number(outcome.started_s),
            "sent_late_ms": _number(1000 * outcome.late_s),
            "ttft_ms": _number(1000 * answered.first_text_s) if answered else "",
            "latency_ms": _number(1000 * outcome.total_s),
            "gap_median_ms": _gap(answered, median),
            "gap_longest_ms": _gap(answered, max),
            "prompt_tokens": answered.prompt_tokens if answered else "",
            "completion_tokens": answered.completion_tokens if answered else "",
            "server_cpu_meanwhile_s": _number(answered.cpu_total_s) if answered and one.metered else "",
            "error": "" if isinstance(outcome, Answered) else outcome.reason,
        }


def _gap(answered: Answered | None, of: Callable[[Sequence[float]], float]) -> str:
    return _number(1000 * of(answered.gaps_s)) if answered and answered.gaps_s else ""


def _number(value: float) -> str:
    return f"{value:.6g}"


def _write(file: Path, columns: Iterable[str], rows: Sequence[Mapping[str, object]]) -> None:
    with file.open("w", encoding="utf-8", newline="") as opened:
        writer = csv.DictWriter(opened, fieldnames=list(columns), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
