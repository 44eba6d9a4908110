"""What was measured: performance, changes, accuracy, latency, and how near it comes to what the machine could do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from bench.figures import percentile
from bench.report.changes import Change, change, changes
from bench.report.measures import (
    BETWEEN,
    CPU,
    GPU_MEMORY,
    LATENCY,
    MEMORY,
    PERCENTS,
    RPS,
    SPEED,
    TOKENS,
    TTFT,
    Measure,
    figure,
    gaps,
)
from bench.report.records import Run
from bench.report.showing import SHOWN, arrow, bounds, plain, seconds, share, signed
from bench.report.tables_md import table
from bench.report.words import Words

_STAR = "\\*"
_SHOWN: tuple[Measure, ...] = (GPU_MEMORY, MEMORY, SPEED, TTFT, RPS, TOKENS, CPU)


def performance(run: Run, words: Words) -> Iterator[str]:
    """A table for each load: every variant's figures, with what they changed."""
    performed = []
    for scenario in run.scenarios():
        shown = [measure for measure in _SHOWN if any(figure(run, one.name, scenario, measure) for one in run.variants)]
        yield f"**{scenario}**"
        yield ""
        names = [words.measure(measure.key) for measure in shown]
        rows = [[one.name, *_cells(run, one.name, scenario, shown, words)] for one in run.variants]
        performed += [cell for row in rows for cell in row[1:]]
        yield from table((words("variant"), *names, words("failed")), rows)
    if run.others:
        yield words("legend", base=run.base)
        yield ""
        yield from _pairs_note(performed, words)


def _cells(run: Run, variant: str, scenario: str, shown: list[Measure], words: Words) -> Iterator[str]:
    for measure in shown:
        found = figure(run, variant, scenario, measure)
        if found is None:
            yield "–"
            continue
        against = change(run, variant, scenario, measure) if variant != run.base else None
        yield " ".join((SHOWN[measure.key](found.median), *([_mark(against, words)] if against else [])))
    failed = len(run.failures(variant, scenario))
    yield f"{failed} / {sum(len(one.window.outcomes) for one in run.of(variant, scenario))}"


def _mark(against: Change, words: Words) -> str:
    star = "" if against.is_of_all else _STAR
    match against.verdict:
        case "same":
            return words("not significant") + star
        case "untested":
            return f"({signed(against.ratio.value - 1)}){star}"
        case "better" | "worse":
            return arrow(against) + star


def _pairs_note(cells: Iterable[str], words: Words) -> Iterator[str]:
    if any(cell.endswith(_STAR) for cell in cells):
        yield words("pairs note")
        yield ""


def all_changes(run: Run, words: Words) -> Iterator[str]:
    """Every comparison with its interval."""
    head = ("load", "variant", "figure", "", "", "change", "interval", "verdict")
    rows = [
        (
            scenario,
            one.variant,
            words.measure(one.measure.key, one.percent),
            _spread(one, before=True),
            _spread(one, before=False),
            signed(one.ratio.value - 1),
            bounds(one.ratio) or "–",
            words("no significant difference" if one.verdict == "same" else one.verdict),
        )
        for scenario in run.scenarios()
        for variant in run.others
        for one in changes(run, variant, scenario)
    ]
    named = [words(key) if key else "" for key in head]
    named[3], named[4] = run.base, words("after")
    yield from table(named, rows)
    yield from _pairs_note((cell for row in rows for cell in row), words)


def _spread(one: Change, *, before: bool) -> str:
    found, show = (one.before if before else one.after), SHOWN[one.measure.key]
    middle, star = show(found.median), "" if one.is_of_all else _STAR
    return (middle if found.n == 1 else f"{middle} ({show(found.low)} … {show(found.high)})") + star


def latency(run: Run, words: Words) -> Iterator[str]:
    """Percentiles of everything that a person waits for."""
    head = (words("load"), words("variant"), "", *(f"P{percent}" for percent in PERCENTS), words("samples"))
    rows = [
        row
        for scenario in run.scenarios()
        for one in run.variants
        for row in _percentiles(run, one.name, scenario, words)
    ]
    yield from table(head, rows)


def _percentiles(run: Run, variant: str, scenario: str, words: Words) -> Iterator[tuple[str, ...]]:
    answers = run.answers(variant, scenario)
    samples = (
        (words.measure(TTFT.key), [one.first_text_s for one in answers]),
        (words("gaps"), gaps(run, variant, scenario)),
        (words.measure(LATENCY.key), [one.total_s for one in answers]),
    )
    for name, values in samples:
        if values:
            shown = (seconds(percentile(values, percent)) for percent in PERCENTS)
            yield scenario, variant, name, *shown, str(len(values))


def bound(run: Run, words: Words) -> Iterator[str]:
    """Which part of the memory's bandwidth each variant uses while it writes."""
    if run.bounds is None or not any(one.step_bytes for one in run.variants):
        yield words("no bound")
        yield ""
        return
    rows = []
    for facts in run.variants:
        for scenario in run.scenarios() if facts.step_bytes else ():
            if (found := figure(run, facts.name, scenario, BETWEEN)) and facts.step_bytes:
                least = facts.step_bytes / (run.bounds.read_gb_s * 1e9)
                size = f"{plain(facts.step_bytes / 1e9)} GB"
                cells = (size, seconds(least), seconds(found.median), share(least / found.median))
                rows.append((facts.name, scenario, *cells))
    head = (words(key) for key in ("variant", "load", "reads", "at least", "measured", "of bound"))
    yield from table(head, rows)
    yield words("bound note", rate=run.bounds.read_gb_s)
    yield ""
