"""Which segments are to become one: there are never many, and a small change never rewrites a large one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ingest.stores.keywords import MOST_ROWS

FAN_OUT = 8
"""So many segments of a size become one of the next; each row is written again once a size."""
_SMALLEST = 1024
_DEAD_SHARE = 0.25
"""A segment with more deleted rows than this is written again without them."""
_MANY_DEAD = 1000


@dataclass(frozen=True, slots=True)
class Size:
    """Of a segment, in rows."""

    rows: int
    alive: int


def to_merge(sizes: Sequence[Size]) -> slice | None:
    """
    The run of neighbours, oldest first, that should become one segment next; None where all is well.

    Ask again after each step: what was merged may be one of many of the next size.
    """
    for place, size in enumerate(sizes):
        dead = size.rows - size.alive
        if not size.alive or (dead > _MANY_DEAD and dead > _DEAD_SHARE * size.rows):
            return slice(place, place + 1)
    tiers = [_tier(size.rows) for size in sizes]
    for tier in sorted(set(tiers)):
        first = len(tiers)
        while first and tiers[first - 1] <= tier:
            first -= 1
        # as many of this very size: fewer small ones behind a large one are no reason to write that again
        if tiers[first:].count(tier) >= FAN_OUT and sum(size.alive for size in sizes[first:]) < MOST_ROWS:
            return slice(first, len(tiers))
    return None


def _tier(rows: int) -> int:
    tier, most = 0, _SMALLEST
    while rows > most:
        tier, most = tier + 1, most * FAN_OUT
    return tier
