"""The same questions twice: what was lost and what was won."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from evals.errors import NothingToCompare
from evals.intervals import mcnemar, mean_upper_bound, paired_loss_upper_bound
from evals.runs import Line

L = TypeVar("L", bound=Line)


@dataclass(frozen=True, slots=True)
class PairedShare:
    """
    A yes or no about each question, before and after. `loss` is before less after, in points of a hundred.

    `loss_bound` is its one-sided 95 % bound; `p` McNemar's exact two-sided probability.
    """

    n: int
    before: float
    after: float
    lost: int
    won: int
    loss: float
    loss_bound: float
    p: float


@dataclass(frozen=True, slots=True)
class PairedMean:
    """A number for each question; likewise, by the bootstrap of the differences."""

    n: int
    before: float
    after: float
    loss: float
    loss_bound: float


def paired(before: Sequence[L], after: Sequence[L]) -> list[tuple[L, L]]:
    """
    The questions that both runs have.

    Raises:
        NothingToCompare: there is none.
    """
    others = {line.id: line for line in after}
    pairs = [(line, others[line.id]) for line in before if line.id in others]
    if not pairs:
        raise NothingToCompare("the two runs have no question in common: compare runs on the same set")
    return pairs


def paired_share(pairs: Sequence[tuple[bool, bool]]) -> PairedShare | None:
    """None where there is nothing to take it of."""
    if not pairs:
        return None
    n = len(pairs)
    lost, won = sum(a and not b for a, b in pairs), sum(b and not a for a, b in pairs)
    return PairedShare(
        n=n,
        before=sum(a for a, _ in pairs) / n,
        after=sum(b for _, b in pairs) / n,
        lost=lost,
        won=won,
        loss=100 * (lost - won) / n,
        loss_bound=100 * paired_loss_upper_bound(lost, won, n),
        p=mcnemar(lost, won),
    )


def paired_mean(pairs: Sequence[tuple[float, float]]) -> PairedMean | None:
    """None where there is nothing to take it of."""
    if not pairs:
        return None
    n, losses = len(pairs), [a - b for a, b in pairs]
    return PairedMean(
        n=n,
        before=sum(a for a, _ in pairs) / n,
        after=sum(b for _, b in pairs) / n,
        loss=100 * sum(losses) / n,
        loss_bound=100 * mean_upper_bound(losses),
    )


HEAD = (
    "| | before | after | loss, points | one-sided 95 % bound | lost / won | McNemar p | n |",
    "|---|---|---|---|---|---|---|---|",
)


def row(title: str, part: PairedShare | PairedMean | None) -> list[str]:
    """Of a table below `HEAD`; none where there is nothing to show."""
    if part is None:
        return []
    figures = f"{part.before:.3f} | {part.after:.3f} | {part.loss:+.1f} | {part.loss_bound:+.1f}"
    split = f"{part.lost} / {part.won} | {part.p:.3f}" if isinstance(part, PairedShare) else " | "
    return [f"| {title} | {figures} | {split} | {part.n} |"]
