"""How answers are made, as far as whoever runs the service decides it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

Mode: TypeAlias = Literal["auto", "generated", "extractive"]
"""
`generated` by the model; `extractive`: the best sentences of the sources, without the model; `auto`: generated, and
extractive where the model is busy or absent.
"""
Unsupported: TypeAlias = Literal["flag", "drop"]
"""What happens to a sentence that no source supports: it is shown with a mark that says so, or not shown."""


@dataclass(frozen=True, slots=True)
class AnswerSettings:
    """
    `passages` is how many of the best chunks are shown. The model reads as many of them as hold the answer with the
    probability `enough` (by the ranker, where there is one): mostly one or two, because a small model that reads more
    takes longer, and takes its answer out of the wrong one.
    """

    mode: Mode = "auto"
    unsupported: Unsupported = "flag"
    diversity: float = 0.0
    """How much passages that say something else are preferred; see `chains.diversity`."""
    passages: int = 4
    enough: float = 0.98

    def wider(self, attempt: int) -> AnswerSettings:
        """For the n-th attempt after the first: more passages, and the model reads all of them."""
        return replace(self, passages=self.passages + 2 * attempt, enough=1.0) if attempt else self
