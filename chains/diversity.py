"""Chunks that answer and do not say the same again."""

from __future__ import annotations

from collections.abc import Sequence

from chains.passages import passage_of
from chains.retrieval import Found


def diverse(found: Sequence[Found], count: int, weight: float) -> list[Found]:
    """
    The `count` chunks of largest marginal relevance (Carbonell and Goldstein, 1998), the best first.

    `weight`, 0..1, is what unlikeness to those already chosen counts; relevance has the rest. Two chunks are as alike
    as the share of their terms that both have (Jaccard). With 0 the order stays as it is.
    """
    if not weight or not found:
        return list(found[:count])
    best = found[0].score or 1.0
    left, chosen = list(found), list[Found]()
    while left and len(chosen) < count:
        following = max(left, key=lambda one: (1 - weight) * one.score / best - weight * _most_alike(one, chosen))
        left.remove(following)
        chosen.append(following)
    return chosen


def _most_alike(one: Found, chosen: Sequence[Found]) -> float:
    return max((_alike(one, other) for other in chosen), default=0.0)


def _alike(one: Found, other: Found) -> float:
    here, there = passage_of(one.document).terms, passage_of(other.document).terms
    return len(here & there) / max(1, len(here | there))
