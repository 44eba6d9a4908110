"""Two runs on the same questions: `larkwise eval compare BEFORE.jsonl AFTER.jsonl`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import typer

from app.cli_terminal import JsonOption, out, print_json, say_error
from evals.errors import EvalError, NothingToCompare
from evals.intervals import mcnemar, mean_upper_bound, paired_loss_upper_bound
from evals.records import Record, RunFacts, read

Pair: TypeAlias = tuple[Record, Record]


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
    """A number for each question; likewise."""

    n: int
    before: float
    after: float
    loss: float
    loss_bound: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """`same` counts answers that are equal to the letter; `unpaired` questions are in one run only."""

    before: RunFacts
    after: RunFacts
    n: int
    unpaired: int
    same: int
    right: PairedShare
    """All questions: a right answer, or a right refusal."""
    contains: PairedShare | None
    """Answerable ones."""
    refused_unanswerable: PairedShare | None
    f1: PairedMean | None


def compare(
    before: Annotated[Path, typer.Argument(help="What `eval answers --out` wrote; the one to be as good as")],
    after: Annotated[Path, typer.Argument(help="… of the change")],
    max_loss: Annotated[
        float | None, typer.Option(help="Exit with 1 where the bound of the loss of right answers is more points")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """What a change cost or brought, question by question; before and after may be two models or settings."""
    try:
        found = compared(read(before), read(after))
    except EvalError as error:
        say_error(str(error))
        raise typer.Exit(1) from error
    if as_json:
        print_json(_as_json(found))
    else:
        out.print(_table(found), markup=False)
    if max_loss is not None and found.right.loss_bound > max_loss:
        say_error(f"up to {found.right.loss_bound:.1f} points may be lost, and {max_loss:g} were allowed")
        raise typer.Exit(1)


def compared(before: tuple[RunFacts, list[Record]], after: tuple[RunFacts, list[Record]]) -> Comparison:
    """
    Raises:
        NothingToCompare: the runs have no question in common.
    """
    others = {record.id: record for record in after[1]}
    pairs = [(record, others[record.id]) for record in before[1] if record.id in others]
    if not pairs:
        raise NothingToCompare("the two runs have no question in common: compare runs on the same set")
    answerable = [pair for pair in pairs if pair[0].answerable]
    unanswerable = [pair for pair in pairs if not pair[0].answerable]
    return Comparison(
        before=before[0],
        after=after[0],
        n=len(pairs),
        unpaired=len(before[1]) + len(after[1]) - 2 * len(pairs),
        same=sum(one.answer == other.answer for one, other in pairs),
        right=_paired_share([(one.right, other.right) for one, other in pairs]),
        contains=_paired_share([(a.contains, b.contains) for a, b in answerable]) if answerable else None,
        refused_unanswerable=_paired_share([(a.refused, b.refused) for a, b in unanswerable]) if unanswerable else None,
        f1=_paired_mean([(a.f1, b.f1) for a, b in answerable]) if answerable else None,
    )


def _paired_share(pairs: Sequence[tuple[bool, bool]]) -> PairedShare:
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


def _paired_mean(pairs: Sequence[tuple[float, float]]) -> PairedMean:
    n, losses = len(pairs), [a - b for a, b in pairs]
    return PairedMean(
        n=n,
        before=sum(a for a, _ in pairs) / n,
        after=sum(b for _, b in pairs) / n,
        loss=100 * sum(losses) / n,
        loss_bound=100 * mean_upper_bound(losses),
    )


def _as_json(found: Comparison) -> dict[str, Any]:
    plain = {name: getattr(found, name) for name in ("right", "contains", "refused_unanswerable", "f1")}
    return {
        "before": found.before.model_dump(),
        "after": found.after.model_dump(),
        "n": found.n,
        "unpaired": found.unpaired,
        "same": found.same,
        **{name: asdict(part) if part else None for name, part in plain.items()},
    }


def _table(found: Comparison) -> str:
    rows = [
        f"before: {_said(found.before)}",
        f"after:  {_said(found.after)}",
        f"{found.n} questions in both, {found.unpaired} in one only; {found.same} answers are equal to the letter",
        "",
        "| | before | after | loss, points | one-sided 95 % bound | lost / won | McNemar p | n |",
        "|---|---|---|---|---|---|---|---|",
        _share_row("right answer or right refusal", found.right),
    ]
    if found.contains:
        rows.append(_share_row("answerable: holds an expected string", found.contains))
    if found.refused_unanswerable:
        rows.append(_share_row("unanswerable: refused", found.refused_unanswerable))
    if found.f1:
        part = found.f1
        figures = f"{part.before:.3f} | {part.after:.3f} | {part.loss:+.1f} | {part.loss_bound:+.1f}"
        rows.append(f"| answerable: F1 | {figures} | | | {part.n} |")
    return "\n".join(rows)


def _share_row(title: str, part: PairedShare) -> str:
    figures = f"{part.before:.3f} | {part.after:.3f} | {part.loss:+.1f} | {part.loss_bound:+.1f}"
    return f"| {title} | {figures} | {part.lost} / {part.won} | {part.p:.3f} | {part.n} |"


def _said(facts: RunFacts) -> str:
    return f"{facts.model} ({facts.provider}, quantization {facts.quantization}) on {facts.set}"
