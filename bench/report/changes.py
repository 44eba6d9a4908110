"""One variant against another in the same run: by how much, how sure, and whether that is better."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from bench.figures import Spread
from bench.outcomes import Answered
from bench.report.intervals import Interval, Repeats, paired_percentiles_ratio, repeats_ratio
from bench.report.measures import COMPARED, Better, Measure, OfRepeats, OfRequests, figure, of_repeats, of_requests
from bench.report.records import Measured, Run

Verdict = Literal["better", "worse", "same", "untested"]
"""`same` is where the interval holds "no change"; `untested` where there is no interval."""


@dataclass(frozen=True, slots=True)
class Change:
    """`ratio` is of `after` by `before`, which are of the requests and repeats that both have."""

    variant: str
    scenario: str
    measure: Measure
    percent: int
    before: Spread
    after: Spread
    ratio: Interval
    is_of_all: bool
    """Else one of the two has answered what the other has not: its figure elsewhere is another one."""

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
    pairs = _pairs(run, variant, scenario)
    match measure:
        case OfRequests():
            requests = _requests_of_both(measure, pairs)
            before, after = (of_requests(side, percent) for side in requests)
            ratio = paired_percentiles_ratio(*requests, percent) if before else None
        case OfRepeats():
            values = _repeats_of_both(measure, pairs)
            before, after = (of_repeats(side) for side in values)
            ratio = repeats_ratio(*values) if before else None
    if before is None or after is None or ratio is None:
        return None
    every = tuple(figure(run, name, scenario, measure, percent) for name in (run.base, variant))
    return Change(variant, scenario, measure, percent, before, after, ratio, is_of_all=every == (before, after))


def _pairs(run: Run, variant: str, scenario: str) -> list[tuple[Measured, Measured]]:
    """The same repeats of both."""
    after = {one.repeat: one for one in run.of(variant, scenario)}
    return [(one, after[one.repeat]) for one in run.of(run.base, scenario) if one.repeat in after]


def _requests_of_both(measure: OfRequests, pairs: list[tuple[Measured, Measured]]) -> tuple[Repeats, Repeats]:
    before, after = [], []
    for one, other in pairs:
        values, others = _by_label(measure, one), _by_label(measure, other)
        if labels := sorted(values.keys() & others.keys()):
            before.append(tuple(values[label] for label in labels))
            after.append(tuple(others[label] for label in labels))
    return tuple(before), tuple(after)


def _by_label(measure: OfRequests, one: Measured) -> dict[str, float]:
    answers: dict[str, Answered] = {answer.label: answer for answer in one.window.answered}
    values = {label: measure.value(answer) for label, answer in answers.items()}
    return {label: value for label, value in values.items() if value}


def _repeats_of_both(measure: OfRepeats, pairs: list[tuple[Measured, Measured]]) -> tuple[list[float], list[float]]:
    whole = [(one, other) for one, other in pairs if one.whole and other.whole] or pairs
    values = [(measure.value(one), measure.value(other)) for one, other in whole]
    both = [(a, b) for a, b in values if a and b]
    return [a for a, _ in both], [b for _, b in both]
