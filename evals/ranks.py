"""How good a ranking is, from the places at which the right ones stand."""

from __future__ import annotations

import math

from pydantic import BaseModel, ConfigDict

TOP = 10
"""So many are asked for and looked at."""
CUTS = (1, 3, 5, TOP)


class Ranks(BaseModel):
    """Where the right ones stand: `at`, among the first ten, counted from 1; `wanted` is how many there are at all."""

    model_config = ConfigDict(frozen=True)

    at: list[int]
    wanted: int

    def hit(self, k: int) -> bool:
        """Whether any right one is among the first `k`; its mean over questions is recall@k."""
        return any(place <= k for place in self.at)

    @property
    def reciprocal(self) -> float:
        """One by the place of the first right one, or 0; its mean over questions is MRR@10."""
        return 1 / min(self.at) if self.at else 0.0

    @property
    def ndcg(self) -> float:
        """
        nDCG@10 (Järvelin & Kekäläinen, 2002) where each right one gains 1.

        The ideal ranking begins with all that there are, ten at most.
        """
        ideal = sum(map(_discount, range(1, min(TOP, self.wanted) + 1)))
        return sum(map(_discount, self.at)) / ideal if ideal else 0.0


def _discount(place: int) -> float:
    return 1 / math.log2(place + 1)
