"""In which order everything is measured: in turn, so that a busy minute troubles all variants alike."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

Loading = Literal["together", "apart"]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Step:
    """One variant under one load; `repeat` counts from 1."""

    repeat: int
    variant: str
    scenario: str


def steps(variants: Sequence[str], scenarios: Sequence[str], *, repeats: int, loading: Loading) -> Iterator[Step]:
    """
    Every variant under every load in every repeat; each time another variant begins.

    Together, variants take turns under each load. Apart, each has all loads before the next is started, because to
    start one takes long.
    """
    for repeat in range(1, repeats + 1):
        if loading == "together":
            for number, scenario in enumerate(scenarios):
                for variant in rotated(variants, repeat - 1 + number):
                    yield Step(repeat, variant, scenario)
        else:
            for variant in rotated(variants, repeat - 1):
                for scenario in scenarios:
                    yield Step(repeat, variant, scenario)


def rotated(items: Sequence[T], by: int) -> list[T]:
    at = by % len(items)
    return [*items[at:], *items[:at]]
