"""Two runs of `larkwise eval answers`, question by question."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

from evals.pairs import HEAD, PairedMean, PairedShare, paired, paired_mean, paired_share, row
from evals.records import Record, RunFacts

Run: TypeAlias = tuple[RunFacts, list[Record]]


@dataclass(frozen=True, slots=True)
class Comparison:
    """`same` counts answers that are equal to the letter; `unpaired` questions are in one run only."""

    before: RunFacts
    after: RunFacts
    n: int
    unpaired: int
    same: int
    right: PairedShare | None
    """All questions: a right answer, or a right refusal."""
    contains: PairedShare | None
    """Answerable ones."""
    refused_unanswerable: PairedShare | None
    f1: PairedMean | None

    @property
    def deciding(self) -> PairedShare | None:
        return self.right

    def as_json(self) -> dict[str, Any]:
        return asdict(self) | {"before": self.before.model_dump(), "after": self.after.model_dump()}

    def table(self) -> str:
        rows = [
            f"before: {_said(self.before)}",
            f"after:  {_said(self.after)}",
            f"{self.n} questions in both, {self.unpaired} in one only; {self.same} answers are equal to the letter",
            "",
            *HEAD,
            *row("right answer or right refusal", self.right),
            *row("answerable: holds an expected string", self.contains),
            *row("unanswerable: refused", self.refused_unanswerable),
            *row("answerable: F1", self.f1),
        ]
        return "\n".join(rows)


def compared(before: Run, after: Run) -> Comparison:
    """
    Raises:
        NothingToCompare: the runs have no question in common.
    """
    pairs = paired(before[1], after[1])
    answerable = [pair for pair in pairs if pair[0].answerable]
    unanswerable = [pair for pair in pairs if not pair[0].answerable]
    return Comparison(
        before=before[0],
        after=after[0],
        n=len(pairs),
        unpaired=len(before[1]) + len(after[1]) - 2 * len(pairs),
        same=sum(one.answer == other.answer for one, other in pairs),
        right=paired_share([(one.right, other.right) for one, other in pairs]),
        contains=paired_share([(a.contains, b.contains) for a, b in answerable]),
        refused_unanswerable=paired_share([(a.refused, b.refused) for a, b in unanswerable]),
        f1=paired_mean([(a.f1, b.f1) for a, b in answerable]),
    )


def _said(facts: RunFacts) -> str:
    return f"{facts.chain} with {facts.model} ({facts.provider}, quantization {facts.quantization}) on {facts.set}"
