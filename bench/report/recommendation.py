"""What the figures say should be done: nothing here is an opinion about a variant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Literal

from bench.report.accuracy import QualityChange, quality_changes
from bench.report.changes import Change, changes
from bench.report.measures import CPU, LATENCY, RPS, TOKENS
from bench.report.records import Run

Advice = Literal[
    "take", "take if answers hold", "worse answers", "mixed", "keep", "no reason", "undecided", "fails", "not measured"
]
"""
`take`: better in something, worse in nothing, answers not worse. `take if answers hold`: the same, and too few answers
were looked at. `mixed`: better here and worse there. `keep`: the baseline is better. `undecided`: nothing has an
interval. `fails`: more of its requests fail than may, and than the baseline's: the others' times say nothing for it.
"""
RELEVANT = 0.02
"""Changes that are sure, and smaller, are not weighed."""
TOLERABLE = 0.1
"""Of right answers, as a share, may be lost by the interval; where it may be more, there were too few questions."""
_TAILS = (95,)
"""Percentiles that are weighed where they changed surely; most runs have too few requests to say that they did not."""

_OF_WHOLE_ANSWERS = (LATENCY, RPS, TOKENS, CPU)
"""What depends on how long answers are."""
_AS_LONG = 0.05
"""By which share the mean lengths of two variants' answers may differ where such figures are weighed."""


@dataclass(frozen=True, slots=True)
class Weighed:
    """Everything that was compared of one variant, and what follows."""

    variant: str
    better: tuple[Change, ...]
    worse: tuple[Change, ...]
    same: tuple[Change, ...]
    """Those without a significant or relevant difference."""
    untested: tuple[Change, ...]
    unlike: tuple[Change, ...]
    """Those that are not weighed because the two wrote answers of different lengths."""
    answers: tuple[QualityChange, ...]
    advice: Advice


def weigh(run: Run, variant: str) -> Weighed:
    every = [one for name in run.scenarios() for one in changes(run, variant, name)]
    unlike_loads = [name for name in run.scenarios() if _lengths_differ(run, variant, name)]
    unlike = tuple(one for one in every if one.scenario in unlike_loads and one.measure in _OF_WHOLE_ANSWERS)
    found = [one for one in every if one not in unlike and (one.percent not in _TAILS or _is_sure(one))]
    better = tuple(one for one in found if one.verdict == "better" and is_relevant(one))
    worse = tuple(one for one in found if one.verdict == "worse" and is_relevant(one))
    untested = tuple(one for one in found if one.verdict == "untested")
    same = tuple(one for one in found if one not in (*better, *worse, *untested))
    answers = tuple(quality_changes(run, variant))
    if _fails(run, variant):
        advice: Advice = "fails"
    elif not every:
        advice = "not measured"
    elif len(found) == len(untested) and not any(one.is_worse for one in answers):
        advice = "undecided"
    else:
        advice = _advice(better, worse, answers, same_weights=_same_weights(run, variant))
    return Weighed(variant, better, worse, same, untested, unlike, answers, advice)


def is_relevant(change: Change) -> bool:
    return abs(change.ratio.value - 1) >= RELEVANT


def _is_sure(change: Change) -> bool:
    return change.verdict in ("better", "worse") and is_relevant(change)


def _lengths_differ(run: Run, variant: str, scenario: str) -> bool:
    both = [[one.completion_tokens for one in run.answers(name, scenario)] for name in (run.base, variant)]
    if not all(both):
        return False
    short, long = sorted(map(fmean, both))
    return short < (1 - _AS_LONG) * long


def _fails(run: Run, variant: str) -> bool:
    share, other = (len(run.failures(name)) / (run.requests(name) or 1) for name in (variant, run.base))
    return share > max(other, run.config.allowed_errors)


def _same_weights(run: Run, variant: str) -> bool:
    """There is nothing to lose: both answer with the same weights."""
    one, other = run.facts(run.base), run.facts(variant)
    providers = {one.provider, other.provider}
    return providers <= {"local", "hf-pipeline"} and (one.model, one.precision) == (other.model, other.precision)


def _advice(
    better: Sequence[Change],
    worse: Sequence[Change],
    answers: Sequence[QualityChange],
    *,
    same_weights: bool,
) -> Advice:
    if any(one.is_worse for one in answers):
        return "worse answers"
    if better and worse:
        return "mixed"
    if better:
        hold = answers and all(-(one.difference.low or 0) <= TOLERABLE for one in answers)
        return "take" if hold or same_weights else "take if answers hold"
    return "keep" if worse else "no reason"
