"""From samples to the figures that a table shows."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Spread:
    """The middle of some samples and how far they lie apart; never made of none."""

    median: float
    low: float
    high: float
    n: int

    def show(self, digits: int = 1) -> str:
        """`12.3 (11.9..12.8)`; a single sample has no spread to show."""
        middle = f"{self.median:.{digits}f}"
        return middle if self.n == 1 else f"{middle} ({self.low:.{digits}f}..{self.high:.{digits}f})"


def spread(samples: Sequence[float]) -> Spread:
    """
    Raises:
        ValueError: there are none.
    """
    if not samples:
        raise ValueError("no samples")
    return Spread(statistics.median(samples), min(samples), max(samples), len(samples))


def percentile(samples: Sequence[float], percent: float) -> float:
    """Between two samples it is interpolated, as numpy does by default; `percent` 0..100."""
    return float(np.percentile(samples, percent))
