"""Whether a confidence of 0.8 comes true in eight cases of ten."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from evals.errors import PlotUnavailable

BINS = 10


@dataclass(frozen=True, slots=True)
class Bin:
    """Confidences from `low` to below `high` (the last holds 1.0 too): their mean, and the share that came true."""

    low: float
    high: float
    n: int
    confidence: float
    came_true: float


def bins(confidences: Sequence[float], outcomes: Sequence[bool]) -> tuple[Bin, ...]:
    """
    Ten of the same width; those without a confidence are left out.

    Raises:
        ValueError: a confidence is not within 0..1, or there are not as many outcomes.
    """
    if not all(0 <= one <= 1 for one in confidences):
        raise ValueError("a confidence is a probability, 0..1")
    inside: dict[int, list[tuple[float, bool]]] = {}
    for confidence, outcome in zip(confidences, outcomes, strict=True):
        inside.setdefault(min(int(confidence * BINS), BINS - 1), []).append((confidence, outcome))
    return tuple(_bin(number, pairs) for number, pairs in sorted(inside.items()))


def ece(confidences: Sequence[float], outcomes: Sequence[bool]) -> float | None:
    """
    The expected calibration error (Naeini et al., 2015): how far a bin's confidence is from what came true, on average.

    0 is perfect; None where there is nothing to take it of.
    """
    if not confidences:
        return None
    gaps = (one.n * abs(one.confidence - one.came_true) for one in bins(confidences, outcomes))
    return sum(gaps) / len(confidences)


def check_plots() -> None:
    """
    Raises:
        PlotUnavailable: matplotlib is not installed; better known before the questions are asked.
    """
    if importlib.util.find_spec("matplotlib") is None:
        raise PlotUnavailable("a plot needs matplotlib: pip install matplotlib")


def reliability_png(file: Path, confidences: Sequence[float], outcomes: Sequence[bool], title: str) -> None:
    """A point for each bin, with its count, against the diagonal on which a perfect confidence lies."""
    from matplotlib.figure import Figure

    found = bins(confidences, outcomes)
    error = ece(confidences, outcomes)
    figure = Figure(figsize=(5.5, 5.5))
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color="grey", linewidth=0.8, linestyle="--")
    axes.bar(
        [one.low for one in found],
        [one.came_true for one in found],
        width=1 / BINS,
        align="edge",
        alpha=0.25,
        edgecolor="white",
    )
    axes.plot([one.confidence for one in found], [one.came_true for one in found], marker="o")
    for one in found:
        axes.annotate(
            str(one.n), (one.confidence, one.came_true), (0, 6), textcoords="offset points", ha="center", fontsize=8
        )
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1.05)
    axes.set_xlabel("confidence")
    axes.set_ylabel("share that came true")
    shown = "" if error is None else f"ECE {error:.3f}, "
    axes.set_title(f"{title}\n{shown}{len(confidences)} questions", fontsize=10)
    figure.tight_layout()
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, dpi=150, format="png")


def _bin(number: int, pairs: Sequence[tuple[float, bool]]) -> Bin:
    n = len(pairs)
    return Bin(
        low=number / BINS,
        high=(number + 1) / BINS,
        n=n,
        confidence=sum(confidence for confidence, _ in pairs) / n,
        came_true=sum(outcome for _, outcome in pairs) / n,
    )
