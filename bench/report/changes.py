"""One variant against another in the same run: by how much, how sure, and whether that is better."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from bench.figures import Spread
from bench.outcomes import Answered
from bench.report.intervals import Interval, paired_percentiles_ratio, repeats_ratio
from bench.report.measures import COMPARED, Better, Measure, OfRepeats, OfRequests, figure
from bench.report.records import Measured, Run

Verdict = Literal["better", "worse", "same", "untested"]
"""`same` is where the interval holds "no change"; `untested` where there is no interval."""


@dataclass(frozen=True, slots=True)
class Change:
    """`ratio` is of `after` by `before`."""

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


def verdict(ratio: Interval, better: Better) -> Verdict:
    if ratio.low is None or ratio.high is None:
        return "untested"
    if ratio.low <= 1 <= ratio.high:
        return "same"
    return "better" if (ratio.high < 1) == (better == "less") else "worse"


def changes(run: Run, variant: str, scenario: str) -> Iterator[Change]:
    """Against the run's baseline, in the order of `COMPARED`; what one of the two has not is left out."""
    for measure, percent in COMPARED:
        if found := change(run, variant, scenario, measure, percent):
            yield found


def change(run: Run, variant: str, scenario: str, measure: Measure, percent: int = 50) -> Change | None:
    before = figure(run, run.base, scenario, measure, percent)
    after = figure(run, variant, scenario, measure, percent)
    pairs = _pairs(run, variant, scenario)
    if before is None or after is None or not pairs:
        return None
    match measure:
        case OfRequests():
            ratio = _of_requests(measure, pairs, percent)
        case OfRepeats():
            ratio = _of_repeats(measure, pairs)
    return Change(variant, scenario, measure, percent, before, after, ratio) if ratio else None


def _pairs(run: Run, variant: str, scenario: str) -> list[tuple[Measured, Measured]]:
    """The same repeats of both."""
    after = {one.repeat: one for one in run.of(variant, scenario)}
    return [(one, after[one.repeat]) for one in run.of(run.base, scenario) if one.repeat in after]


def _of_requests(measure: OfRequests, pairs: list[tuple[Measured, Measured]], percent: int) -> Interval | None:
    before, after = [], []
    for one, other in pairs:
        values, others = _by_label(measure, one), _by_label(measure, other)
        if labels := sorted(values.keys() & others.keys()):
            before.append(tuple(values[label] for label in labels))
            after.append(tuple(others[label] for label in labels))
    return paired_percentiles_ratio(tuple(before), tuple(after), percent) if before else None


def _by_label(measure: OfRequests, one: Measured) -> dict[str, float]:
    answers: dict[str, Answered] = {answer.label: answer for answer in one.window.answered}
    values = {label: measure.value(answer) for label, answer in answers.items()}
    return {label: value for label, value in values.items() if value}


def _of_repeats(measure: OfRepeats, pairs: list[tuple[Measured, Measured]]) -> Interval | None:
    values = [(measure.value(one), measure.value(other)) for one, other in pairs]
    both = [(a, b) for a, b in values if a and b]
    return repeats_ratio([a for a, _ in both], [b for _, b in both]) if both else None
