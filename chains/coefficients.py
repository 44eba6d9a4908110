"""
The numbers that were learned: which matches rank high, and what they say about whether there is an answer.

`coefficients.json` is written by `python -m evals.train`; each is the weight of a named number, so that a person can
read why a chunk came first.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, TypeAlias

Pairing: TypeAlias = Literal["zh", "en", "cross"]
"""Question and chunk both Chinese, both written in Latin letters, or each in the other script."""
PAIRINGS: tuple[Pairing, ...] = ("zh", "en", "cross")
FILE = Path(__file__).with_name("coefficients.json")
BIAS = "bias"


@dataclass(frozen=True, slots=True)
class Linear:
    """A weighted sum of named numbers; one that has no weight does not count."""

    weights: Mapping[str, float]

    def of(self, numbers: Mapping[str, float]) -> float:
        return self.weights.get(BIAS, 0.0) + sum(
            weight * numbers[name] for name, weight in self.weights.items() if name != BIAS
        )


@dataclass(frozen=True, slots=True)
class Coefficients:
    """
    One of each a pairing: `ranking` orders chunks, `answerable` is the log-odds that the documents hold the answer,
    `right` that an answer which was given is right, and `gates` are two probabilities: under the first the model is
    not asked, under the second it may refuse.
    """

    ranking: Mapping[Pairing, Linear]
    answerable: Mapping[Pairing, Linear]
    right: Mapping[Pairing, Linear]
    gates: Mapping[Pairing, tuple[float, float]]


@lru_cache(maxsize=1)
def shipped() -> Coefficients:
    """Those that larkwise comes with."""
    found: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
    return Coefficients(
        ranking=linears(found["ranking"]),
        answerable=linears(found["answerable"]),
        right=linears(found["right"]),
        gates={pairing: (found["gates"][pairing][0], found["gates"][pairing][1]) for pairing in PAIRINGS},
    )


def linears(found: Mapping[str, Mapping[str, float]]) -> Mapping[Pairing, Linear]:
    """As they stand in a file."""
    return {pairing: Linear(found[pairing]) for pairing in PAIRINGS}
