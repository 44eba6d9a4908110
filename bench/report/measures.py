"""What is measured: figures of requests, of which there are percentiles, and figures of whole repeats."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean, geometric_mean
from typing import Literal, TypeAlias

from bench.figures import Spread, percentile
from bench.outcomes import Answered
from bench.report.records import Measured, Run

Better = Literal["less", "more"]
GIB = 2**30
_AT_ONCE_S = 0.0001
"""So little between two pieces, on average, is what this client takes to read them."""
_BURST_S, _BURST_SHARE = 0.001, 0.02
"""… and so little is the network's where all gaps together are no more than this share of the whole answer."""


@dataclass(frozen=True, slots=True)
class OfRequests:
    """A figure that each answer has; None where this one has not. `key` is its name in words and files."""

    key: str
    better: Better
    value: Callable[[Answered], float | None]


@dataclass(frozen=True, slots=True)
class OfRepeats:
    """A figure that a variant has under one load in one repeat."""

    key: str
    better: Better
    value: Callable[[Measured], float | None]


Measure: TypeAlias = OfRequests | OfRepeats


def came_at_once(answer: Answered) -> bool:
    """Whether the server sent nothing before all of it was computed: its gaps then say nothing about tokens."""
    if not answer.gaps_s:
        return answer.completion_tokens > 1
    between = fmean(answer.gaps_s)
    return between < _AT_ONCE_S or (between < _BURST_S and sum(answer.gaps_s) < _BURST_SHARE * answer.total_s)


def _between_tokens(answer: Answered) -> float | None:
    """
    Seconds from one token to the next, on average; None where they came at once.

    Pieces of text may hold more than one token: the first is taken to hold as many as the others do on average, since
    its tokens are not among those that came in the gaps.
    """
    if came_at_once(answer):
        return None
    gaps = len(answer.gaps_s)
    tokens = answer.completion_tokens * gaps / (gaps + 1)
    return sum(answer.gaps_s) / tokens if tokens else None


def _speed(answer: Answered) -> float | None:
    between = _between_tokens(answer)
    return 1 / between if between else None


def _per_second(one: Measured) -> float | None:
    return len(one.window.answered) / one.window.wall_s or None


def _tokens_per_second(one: Measured) -> float | None:
    return sum(answer.completion_tokens for answer in one.window.answered) / one.window.wall_s or None


def _cpu(one: Measured) -> float | None:
    answered = len(one.window.answered)
    return one.window.cpu_s / answered if one.metered and answered and one.window.cpu_s > 0 else None


def _gib(size: int | None) -> float | None:
    return size / GIB if size else None


TTFT = OfRequests("ttft", "less", lambda answer: answer.first_text_s)
LATENCY = OfRequests("latency", "less", lambda answer: answer.total_s)
BETWEEN = OfRequests("between", "less", _between_tokens)
SPEED = OfRequests("speed", "more", _speed)
RPS = OfRepeats("rps", "more", _per_second)
TOKENS = OfRepeats("tokens", "more", _tokens_per_second)
CPU = OfRepeats("cpu", "less", _cpu)
MEMORY = OfRepeats("memory", "less", lambda one: _gib(one.resident_bytes))
PEAK = OfRepeats("peak", "less", lambda one: _gib(one.peak_bytes))
GPU_MEMORY = OfRepeats("gpu_memory", "less", lambda one: _gib(one.gpu_bytes))

COMPARED: tuple[tuple[Measure, int], ...] = (
    (GPU_MEMORY, 50),
    (MEMORY, 50),
    (SPEED, 50),
    (TTFT, 50),
    (TTFT, 95),
    (LATENCY, 50),
    (LATENCY, 95),
    (RPS, 50),
    (TOKENS, 50),
    (CPU, 50),
)
"""What variants, and runs, are compared by, with the percentile that counts; of repeats it is their mean."""
PERCENTS = (50, 90, 95, 99)


def figure(run: Run, variant: str, scenario: str, measure: Measure, percent: float = 50) -> Spread | None:
    """
    Over all repeats, with the least and the greatest of the repeats' own; None where there is nothing to take it of.

    Of repeats it is the geometric mean, because ratios of it are the geometric means of ratios, as changes are.
    """
    measured = run.of(variant, scenario)
    match measure:
        case OfRequests():
            return of_requests([known(map(measure.value, one.window.answered)) for one in measured], percent)
        case OfRepeats():
            return of_repeats(known(map(measure.value, whole_ones(measured))))


def of_requests(repeats: Iterable[Sequence[float]], percent: float) -> Spread | None:
    """A percentile of what requests have, repeat by repeat."""
    some = [samples for samples in repeats if samples]
    if not some:
        return None
    each = [percentile(samples, percent) for samples in some]
    return Spread(
        percentile([sample for samples in some for sample in samples], percent), min(each), max(each), len(each)
    )


def of_repeats(values: Sequence[float]) -> Spread | None:
    """The middle of what repeats have once."""
    return Spread(geometric_mean(values), min(values), max(values), len(values)) if values else None


def whole_ones(measured: Sequence[Measured]) -> Sequence[Measured]:
    """A repeat that was cut off says little of requests/s or CPU; it counts only where there is no whole one."""
    return [one for one in measured if one.whole] or measured


def gaps(run: Run, variant: str, scenario: str) -> list[float]:
    """Seconds between the pieces of all answers, as they arrived; of those that came at once there are none."""
    return [gap for answer in run.answers(variant, scenario) if not came_at_once(answer) for gap in answer.gaps_s]


def known(values: Iterable[float | None]) -> list[float]:
    return [value for value in values if value is not None]


def busy_elsewhere(run: Run) -> float | None:
    """The share of the machine's cores that other work had; None where it cannot be told from the server's."""
    metered = [one.window for one in run.measured if one.metered]
    if not metered or len(metered) < len(run.measured):
        return None
    seconds = sum(window.wall_s for window in metered) * run.environment.cores
    return max(0.0, sum(window.elsewhere_cpu_s for window in metered) / seconds)


def busy_client(run: Run) -> float:
    """The greatest share of a measurement's time that the client itself was computing."""
    return max((one.window.client_cpu_s / one.window.wall_s for one in run.measured), default=0.0)
