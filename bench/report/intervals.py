"""
How sure a ratio or a share is. All intervals are 95 %, and all that is drawn is drawn with a fixed seed.

Figures of requests are resampled in two steps (Davison & Hinkley, Bootstrap Methods, 1997, 3.8): first repeats, because
a machine differs from one minute to the next, then requests within each. Three repeats are too few for that alone: of
them there are ten different samples, and where repeats differ more than requests, four of five such intervals hold the
truth instead of nineteen of twenty. So the ratios of repeats get Student's interval too, of their logarithms, and the
wider one counts. Figures that a repeat has once have only that.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

from evals.intervals import mcnemar as mcnemar  # for those who compare
from evals.intervals import paired_loss, wilson

_RESAMPLES = 2000
_SEED = 20260101

Numbers = NDArray[np.float64]
Repeats = tuple[tuple[float, ...], ...]
"""One figure of each request, repeat by repeat."""


@dataclass(frozen=True, slots=True)
class Interval:
    """`low` and `high` are None where there is too little to say."""

    value: float
    low: float | None
    high: float | None


@lru_cache(maxsize=4096)  # a report shows the same ratio in several places
def paired_percentiles_ratio(before: Repeats, after: Repeats, percent: float) -> Interval:
    """
    A percentile of `after` by that of `before`, where the same place is the same request.

    One repeat alone has no interval, since it knows nothing of how repeats differ.
    """
    parts = _parts(before, after)
    drawn = _percentiles_ratio(_Side(before, _SEED, parts), _Side(after, _SEED, parts), percent)
    return _wider(drawn, repeats_ratio(_each(before, percent), _each(after, percent)))


def percentiles_ratio(before: Repeats, after: Repeats, percent: float) -> Interval:
    """The same for two runs that have nothing to do with each other: each is resampled by itself."""
    parts = _parts(before, after)
    drawn = _percentiles_ratio(_Side(before, _SEED, parts), _Side(after, _SEED + 1, parts), percent)
    return _wider(drawn, runs_ratio(_each(before, percent), _each(after, percent)))


def repeats_ratio(before: Sequence[float], after: Sequence[float]) -> Interval:
    """The geometric mean of `after` by `before`, repeat by repeat; without an interval where there is one repeat."""
    logs = np.log(np.asarray(after)) - np.log(np.asarray(before))
    middle = float(logs.mean())
    if len(logs) < 2:
        return Interval(math.exp(middle), None, None)
    half = float(student.ppf(0.975, len(logs) - 1) * logs.std(ddof=1) / math.sqrt(len(logs)))
    return Interval(math.exp(middle), math.exp(middle - half), math.exp(middle + half))


def runs_ratio(before: Sequence[float], after: Sequence[float]) -> Interval:
    """The same for two runs whose repeats are not pairs (Welch, 1947)."""
    logs = [np.log(np.asarray(side)) for side in (before, after)]
    middle = float(logs[1].mean() - logs[0].mean())
    if min(map(len, logs)) < 2:
        return Interval(math.exp(middle), None, None)
    parts = [float(side.var(ddof=1)) / len(side) for side in logs]
    if not (error := sum(parts)):
        return Interval(math.exp(middle), math.exp(middle), math.exp(middle))
    freedom = error**2 / sum(part**2 / (len(side) - 1) for part, side in zip(parts, logs, strict=True))
    half = float(student.ppf(0.975, freedom)) * math.sqrt(error)
    return Interval(math.exp(middle), math.exp(middle - half), math.exp(middle + half))


def share(right: int, n: int) -> Interval:
    """By Wilson's score interval, which also holds for few questions."""
    return Interval(right / n, *wilson(right, n))


def paired_difference(lost: int, won: int, n: int) -> Interval:
    """
    (won - lost) / n, where n questions were answered twice; by Tango's score interval.

    Unlike Wald's it has a width where no answer differs: so few questions prove no equality.
    """
    return Interval((won - lost) / n, *paired_loss(won, lost, n))  # what one has won the other has lost


def _each(repeats: Repeats, percent: float) -> list[float]:
    return [float(np.percentile(one, percent)) for one in repeats]


def _wider(drawn: Interval, by_repeats: Interval) -> Interval:
    """Both, where there are repeats to compare; the value is that of all requests."""
    if drawn.low is None or drawn.high is None or by_repeats.low is None or by_repeats.high is None:
        return Interval(drawn.value, None, None)
    return Interval(drawn.value, min(drawn.low, by_repeats.low), max(drawn.high, by_repeats.high))


def _percentiles_ratio(before: _Side, after: _Side, percent: float) -> Interval:
    value = before.whole(percent), after.whole(percent)
    drawn = np.concatenate([b / a for a, b in zip(before.drawn(percent), after.drawn(percent), strict=True)])
    low, high = np.percentile(drawn, (2.5, 97.5))
    return Interval(value[1] / value[0], float(low), float(high))


@dataclass(frozen=True, slots=True)
class _Side:
    """One side of a ratio; two with the same seed and the same lengths draw the same places."""

    repeats: Repeats
    seed: int
    parts: int
    """In which the resamples are drawn, since all of them may not fit into memory."""

    def whole(self, percent: float) -> float:
        return float(np.percentile(np.concatenate([np.asarray(one) for one in self.repeats]), percent))

    def drawn(self, percent: float) -> Iterator[Numbers]:
        """The percentile of each resample, in parts."""
        chance = np.random.default_rng(self.seed)
        lengths = np.asarray([len(one) for one in self.repeats])
        padded = np.zeros((len(lengths), lengths.max()))
        for row, one in zip(padded, self.repeats, strict=True):
            row[: len(one)] = one
        for _ in range(self.parts):
            size = _RESAMPLES // self.parts
            repeats = chance.integers(0, len(lengths), size=(size, len(lengths)))[:, :, None]
            places = (chance.random((size, len(lengths), lengths.max())) * lengths[repeats]).astype(np.intp)
            yield np.percentile(padded[repeats, places].reshape(size, -1), percent, axis=1)


def _parts(*sides: Repeats) -> int:
    """So many that about two million numbers are in memory at once."""
    numbers = _RESAMPLES * max(len(side) * max(map(len, side)) for side in sides)
    return next(parts for parts in (1, 10, 100, 1000, _RESAMPLES) if numbers / parts <= 2e6 or parts == _RESAMPLES)
