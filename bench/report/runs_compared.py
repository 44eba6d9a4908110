"""What changed between two runs: each variant under each load against itself, and its answers question by question."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from bench.errors import InvalidRun
from bench.figures import Spread
from bench.report.accuracy import QualityChange, quality, quality_change
from bench.report.changes import Verdict, verdict
from bench.report.intervals import Interval, percentiles_ratio, runs_ratio
from bench.report.measures import COMPARED, Measure, OfRepeats, OfRequests, figure, known, whole_ones
from bench.report.records import Run


@dataclass(frozen=True, slots=True)
class Moved:
    """`ratio` is of the later run by the earlier one; the two have no pairs, since a machine differs between runs."""

    variant: str
    scenario: str
    measure: Measure
    percent: int
    before: Spread
    after: Spread
    ratio: Interval

    @property
    def verdict(self) -> Verdict:
        return verdict(self.ratio, self.measure.better)

    @property
    def worse_percent(self) -> float:
        """By how much it is worse; below 0 where it is better."""
        change = 100 * (self.ratio.value - 1)
        return change if self.measure.better == "less" else -change


@dataclass(frozen=True, slots=True)
class RunsCompared:
    """
    `missing` are variants under loads, their figures, sets and questions that only the earlier run has; `notes` are why
    to be careful.
    """

    moved: tuple[Moved, ...]
    answers: tuple[QualityChange, ...]
    more_failures: tuple[str, ...]
    missing: tuple[str, ...]
    notes: tuple[str, ...]

    def regressions(self, *, max_percent: float, max_points: float) -> list[str]:
        """A sentence for everything that is worse by more; where nothing has an interval, the middle values decide."""
        found = [
            f"{one.variant}, {one.scenario}: {one.measure.key} is {one.worse_percent:.1f} % worse"
            for one in self.moved
            if one.verdict in ("worse", "untested") and one.worse_percent > max_percent
        ]
        found += [
            f"{one.variant}, {one.set}: {-100 * one.difference.value:.1f} points of right answers are lost"
            for one in self.answers
            if one.is_worse and -100 * one.difference.value > max_points
        ]
        return [*found, *self.more_failures, *(f"not measured again: {what}" for what in self.missing)]

    def as_json(self) -> dict[str, Any]:
        return {
            "moved": [
                {
                    "variant": one.variant,
                    "scenario": one.scenario,
                    "measure": one.measure.key,
                    "percentile": one.percent if isinstance(one.measure, OfRequests) else None,
                    "before": one.before.median,
                    "after": one.after.median,
                    "ratio": one.ratio.value,
                    "low": one.ratio.low,
                    "high": one.ratio.high,
                    "verdict": one.verdict,
                }
                for one in self.moved
            ],
            "answers": [
                {"variant": one.variant, "set": one.set, "n": one.n, "lost": one.lost, "won": one.won, "p": one.p}
                for one in self.answers
            ],
            "more_failures": list(self.more_failures),
            "missing": list(self.missing),
            "notes": list(self.notes),
        }


def compared(before: Run, after: Run) -> RunsCompared:
    """
    Raises:
        InvalidRun: the two have no variant under the same load in common.
    """
    places = [(one.name, scenario) for scenario in before.scenarios() for one in before.variants]
    places = [place for place in places if before.of(*place)]
    common = [place for place in places if after.of(*place)]
    if not common:
        raise InvalidRun("the two runs have no variant under the same load in common: nothing can be compared")
    answers, unanswered = _answers(before, after)
    return RunsCompared(
        moved=tuple(moved for place in common for moved in _moved(before, after, *place)),
        answers=answers,
        more_failures=tuple(_more_failures(before, after, common)),
        missing=(
            *(f"{variant}, {scenario}" for variant, scenario in places if (variant, scenario) not in common),
            *(name for place in common for name in _lost_figures(before, after, *place)),
            *unanswered,
        ),
        notes=tuple(_notes(before, after)),
    )


def _moved(before: Run, after: Run, variant: str, scenario: str) -> Iterator[Moved]:
    for measure, percent in COMPARED:
        earlier = figure(before, variant, scenario, measure, percent)
        later = figure(after, variant, scenario, measure, percent)
        if earlier and later:
            match measure:
                case OfRequests():
                    sides = [_requests(run, variant, scenario, measure) for run in (before, after)]
                    ratio = percentiles_ratio(sides[0], sides[1], percent)
                case OfRepeats():
                    values = [
                        known(map(measure.value, whole_ones(run.of(variant, scenario)))) for run in (before, after)
                    ]
                    ratio = runs_ratio(values[0], values[1])
            yield Moved(variant, scenario, measure, percent, earlier, later, ratio)


def _lost_figures(before: Run, after: Run, variant: str, scenario: str) -> list[str]:
    lost = (
        measure.key
        for measure, percent in COMPARED
        if figure(before, variant, scenario, measure, percent)
        and not figure(after, variant, scenario, measure, percent)
    )
    return [f"{variant}, {scenario}: {key}" for key in dict.fromkeys(lost)]


def _requests(run: Run, variant: str, scenario: str, measure: OfRequests) -> tuple[tuple[float, ...], ...]:
    repeats = (tuple(known(map(measure.value, one.window.answered))) for one in run.of(variant, scenario))
    return tuple(repeat for repeat in repeats if repeat)


def _answers(before: Run, after: Run) -> tuple[tuple[QualityChange, ...], list[str]]:
    found, missing = [], []
    for one in before.judged:
        other = quality(after, one.variant, one.set)
        if other and (change := quality_change(one, other.judged, one.variant)):
            found.append(change)
            if change.n < len(one.questions):
                left = len(one.questions) - change.n
                missing.append(f"{one.variant} on {one.set}: {left} of {len(one.questions)} questions")
        else:
            missing.append(f"{one.variant} on {one.set}")
    return tuple(found), missing


def _more_failures(before: Run, after: Run, common: list[tuple[str, str]]) -> Iterator[str]:
    for variant, scenario in common:
        share = [_failed(run, variant, scenario) for run in (before, after)]
        if share[1] > share[0] and share[1] > after.config.allowed_errors:
            yield f"{variant}, {scenario}: {100 * share[1]:.1f} % of requests fail, and {100 * share[0]:.1f} % did"


def _failed(run: Run, variant: str, scenario: str) -> float:
    outcomes = sum(len(one.window.outcomes) for one in run.of(variant, scenario))
    return len(run.failures(variant, scenario)) / outcomes


def _notes(before: Run, after: Run) -> Iterator[str]:
    here, there = before.environment, after.environment
    if (here.cpu, here.cores, here.gpus, here.memory_bytes) != (there.cpu, there.cores, there.gpus, there.memory_bytes):
        yield "they ran on different machines: what changed may be the machine"
    prompts = [run.config.prompts.model_copy(update={"seed": None}) for run in (before, after)]  # alike, not the same
    if prompts[0] != prompts[1] or before.config.answer_tokens != after.config.answer_tokens:
        yield "they had other prompts, or other lengths of answers"
    if before.asked and after.asked and before.asked != after.asked:
        yield "the prompts' file, or the words of the questions, were others"
    for load in before.config.scenarios:
        if any(other.name == load.name and other != load for other in after.config.scenarios):
            yield f"the load {load.name!r} was another one"
    for facts in before.variants:
        if any(other.name == facts.name and other != facts for other in after.variants):
            yield f"the variant {facts.name!r} was another one"
    for run, which in ((before, "earlier"), (after, "later")):
        if not run.complete:
            yield f"the {which} run is partial"
