"""How sure a figure is, with so few questions."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

_Z_TWO_SIDED = 1.959964
Z_ONE_SIDED = 1.644854
_RESAMPLES = 5000
_SEED = 20260101


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean with its 95 % interval; all None where there is nothing to take it of."""

    value: float | None
    low: float | None
    high: float | None
    n: int


def share(hits: Sequence[bool]) -> Estimate:
    """By `wilson`."""
    n = len(hits)
    return Estimate(sum(hits) / n, *wilson(sum(hits), n), n) if n else Estimate(None, None, None, 0)


def wilson(hits: int, n: int) -> tuple[float, float]:
    """The 95 % score interval of a share (Wilson, 1927): it also holds for few questions, and near 0 and 1."""
    p, z = hits / n, _Z_TWO_SIDED
    middle = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return max(0.0, middle - half), min(1.0, middle + half)


def mean(values: Sequence[float]) -> Estimate:
    """By the bootstrap's percentiles (Efron, 1979), with a fixed seed."""
    if not values:
        return Estimate(None, None, None, 0)
    low, high = np.percentile(_resampled_means(values), (2.5, 97.5))
    return Estimate(float(np.mean(values)), float(low), float(high), len(values))


def mean_upper_bound(values: Sequence[float]) -> float:
    """The one-sided 95 % bound, by the bootstrap."""
    return float(np.percentile(_resampled_means(values), 95))


def paired_loss_upper_bound(lost: int, won: int, n: int) -> float:
    """
    The one-sided 95 % bound of (lost - won) / n, where n questions were answered twice.

    By Tango's score interval (1998): unlike Wald's it is not 0 where no answer differs, but z² / (n + z²).
    """
    observed = (lost - won) / n
    return _first_where(lambda loss: _tango_z(lost, won, n, loss) <= -Z_ONE_SIDED, observed, 1.0)


def paired_loss(lost: int, won: int, n: int) -> tuple[float, float]:
    """The 95 % interval of the same, from both sides."""
    observed = (lost - won) / n
    low = _first_where(lambda loss: _tango_z(lost, won, n, loss) < _Z_TWO_SIDED, -1.0, observed)
    high = _first_where(lambda loss: _tango_z(lost, won, n, loss) <= -_Z_TWO_SIDED, observed, 1.0)
    return low, high


def mcnemar(lost: int, won: int) -> float:
    """The exact two-sided probability of so uneven a split, were both as good (McNemar, 1947)."""
    n, fewer = lost + won, min(lost, won)
    if not n:
        return 1.0
    tail = sum(math.comb(n, k) for k in range(fewer + 1))
    return min(1.0, float(Fraction(2 * tail, 2**n)))  # exact: both are too large for a float where n is


def _tango_z(lost: int, won: int, n: int, loss: float) -> float:
    """The score statistic of the hypothesis that the true loss is `loss`."""
    a, b, c = 2 * n, -lost - won + (2 * n - lost + won) * loss, -won * loss * (1 - loss)
    chance = (math.sqrt(max(0.0, b * b - 4 * a * c)) - b) / (2 * a)  # of winning, under the hypothesis
    variance = n * (2 * chance + loss * (1 - loss))
    gone = lost - won - n * loss
    if variance <= 0:
        return 0.0 if gone == 0 else math.copysign(math.inf, gone)
    return gone / math.sqrt(variance)


def _first_where(holds: Callable[[float], bool], low: float, high: float) -> float:
    """By halving; `holds` is false at `low` and true from some point on."""
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high


def _resampled_means(values: Sequence[float]) -> np.ndarray:
    numbers = np.asarray(values, dtype=float)
    drawn = np.random.default_rng(_SEED).integers(0, len(numbers), size=(_RESAMPLES, len(numbers)))
    means: np.ndarray = numbers[drawn].mean(axis=1)  # (resamples,)
    return means
