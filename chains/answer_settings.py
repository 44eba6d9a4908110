"""How answers are made, as far as whoever runs the service decides it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from chains.language import Language

Mode: TypeAlias = Literal["auto", "generated", "extractive"]
"""
`generated` by the model; `extractive`: the best sentences of the sources, without the model; `auto`: generated, and
extractive where the model is busy or absent.
"""
Unsupported: TypeAlias = Literal["flag", "drop"]
"""What happens to a sentence that no source supports: it is shown with a mark that says so, or not shown."""


@dataclass(frozen=True, slots=True)
class AnswerSettings:
    """`passages` is how many chunks the model reads: as many English ones have about half of the tokens."""

    mode: Mode = "auto"
    unsupported: Unsupported = "flag"
    diversity: float = 0.0
    """How much passages that say something else are preferred; see `chains.diversity`."""
    passages: Mapping[Language, int] = field(default_factory=lambda: {"zh": 3, "en": 4})
