"""Two runs of `larkwise eval retrieval`, question by question."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

from evals.pairs import HEAD, PairedMean, PairedShare, paired, paired_mean, paired_share, row
from evals.ranks import TOP
from evals.retrieval_records import RetrievalFacts, RetrievalRecord

Run: TypeAlias = tuple[RetrievalFacts, list[RetrievalRecord]]
_MRR = f"mrr@{TOP}"


@dataclass(frozen=True, slots=True)
class RetrievalComparison:
    """
    Of right chunks: questions that have one in both runs; `without_gold_chunk` have none in one of them.

    `unpaired` questions are in one run only.
    """

    before: RetrievalFacts
    after: RetrievalFacts
    n: int
    unpaired: int
    without_gold_chunk: int
    recall_at_1: PairedShare | None
    recall_at_5: PairedShare | None
    mrr: PairedMean | None

    @property
    def deciding(self) -> PairedShare | None:
        return self.recall_at_1

    def as_json(self) -> dict[str, Any]:
        parts = {"recall@1": self.recall_at_1, "recall@5": self.recall_at_5, _MRR: self.mrr}
        return {
            "before": self.before.model_dump(),
            "after": self.after.model_dump(),
            "n": self.n,
            "unpaired": self.unpaired,
            "without_gold_chunk": self.without_gold_chunk,
            **{name: asdict(part) if part else None for name, part in parts.items()},
        }

    def table(self) -> str:
        shared = f"{self.n} answerable questions in both; {self.unpaired} questions in one only"
        rows = [
            f"before: {_said(self.before)}",
            f"after:  {_said(self.after)}",
            f"{shared}; {self.without_gold_chunk} without a chunk that holds the answer",
            "",
            *HEAD,
            *row("right chunk: recall@1", self.recall_at_1),
            *row("right chunk: recall@5", self.recall_at_5),
            *row(f"right chunk: {_MRR}", self.mrr),
        ]
        return "\n".join(rows)


def compared(before: Run, after: Run) -> RetrievalComparison:
    """
    Raises:
        NothingToCompare: the runs have no question in common.
    """
    all_pairs = paired(before[1], after[1])
    answerable = [(a.chunk, b.chunk) for a, b in all_pairs if a.answerable]
    pairs = [(a, b) for a, b in answerable if a.wanted and b.wanted]
    return RetrievalComparison(
        before=before[0],
        after=after[0],
        n=len(answerable),
        unpaired=len(before[1]) + len(after[1]) - 2 * len(all_pairs),
        without_gold_chunk=len(answerable) - len(pairs),
        recall_at_1=paired_share([(a.hit(1), b.hit(1)) for a, b in pairs]),
        recall_at_5=paired_share([(a.hit(5), b.hit(5)) for a, b in pairs]),
        mrr=paired_mean([(a.reciprocal, b.reciprocal) for a, b in pairs]),
    )


def _said(facts: RetrievalFacts) -> str:
    chunks = facts.collection or f"chunks of {facts.chunk_size}"
    return f"{facts.embedding} on {facts.vector_store}, {chunks}, asked {facts.set}"
