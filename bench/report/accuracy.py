"""What answering costs or brings in quality: two variants on the same questions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bench.report.intervals import Interval, mcnemar, paired_difference, share
from bench.report.records import Judged, Run

SIGNIFICANT = 0.05


@dataclass(frozen=True, slots=True)
class Quality:
    """How one variant answered one set; `of` is the variant with the same weights that did, where it did not itself."""

    judged: Judged
    variant: str
    of: str

    @property
    def right(self) -> Interval:
        return share(sum(one.right for one in self.judged.questions), len(self.judged.questions))


@dataclass(frozen=True, slots=True)
class QualityChange:
    """`lost` are questions that only the baseline answered rightly, `won` those that only this variant did."""

    variant: str
    set: str
    n: int
    lost: int
    won: int

    @property
    def difference(self) -> Interval:
        """As shares: below 0 is a loss."""
        return paired_difference(self.lost, self.won, self.n)

    @property
    def p(self) -> float:
        return mcnemar(self.lost, self.won)

    @property
    def is_worse(self) -> bool:
        return self.p < SIGNIFICANT and self.lost > self.won

    @property
    def is_better(self) -> bool:
        return self.p < SIGNIFICANT and self.won > self.lost


def sets(run: Run) -> list[str]:
    """Those that anybody answered."""
    return list(dict.fromkeys(one.set for one in run.judged))


def quality(run: Run, variant: str, name: str) -> Quality | None:
    twins = {one.variant: one.detail for one in run.left_out if one.what == name and one.why == "same weights"}
    of = twins.get(variant, variant)
    found = next((one for one in run.judged if (one.variant, one.set) == (of, name) and one.questions), None)
    return Quality(found, variant, of) if found else None


def quality_change(before: Judged, after: Judged, variant: str) -> QualityChange | None:
    """On the questions that both answered; None where there is none."""
    earlier = {one.id: one.right for one in before.questions}
    pairs = [(earlier[one.id], one.right) for one in after.questions if one.id in earlier]
    if not pairs:
        return None
    lost, won = sum(a and not b for a, b in pairs), sum(b and not a for a, b in pairs)
    return QualityChange(variant, after.set, len(pairs), lost, won)


def quality_changes(run: Run, variant: str) -> Iterator[QualityChange]:
    """Against the run's baseline; sets that one of the two has not answered, or answered for both, are left out."""
    for name in sets(run):
        before, after = quality(run, run.base, name), quality(run, variant, name)
        if (
            before
            and after
            and before.of != after.of
            and (found := quality_change(before.judged, after.judged, variant))
        ):
            yield found
