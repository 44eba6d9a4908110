"""Figures of a ranking, worked out by hand."""

from __future__ import annotations

import math

import pytest

from evals.ranks import Ranks


def test_recall_asks_for_any_right_one_among_the_first() -> None:
    ranks = Ranks(at=[3, 7], wanted=2)
    assert [ranks.hit(k) for k in (1, 3, 5, 10)] == [False, True, True, True]


def test_the_reciprocal_rank_is_of_the_first_right_one() -> None:
    assert Ranks(at=[7, 4], wanted=2).reciprocal == 1 / 4
    assert Ranks(at=[], wanted=2).reciprocal == 0


def test_ndcg_is_against_the_ideal_of_all_there_are() -> None:
    assert Ranks(at=[1], wanted=1).ndcg == 1
    assert Ranks(at=[3], wanted=1).ndcg == pytest.approx(1 / 2)  # log2(4)
    ideal = 1 + 1 / math.log2(3)
    assert Ranks(at=[2], wanted=2).ndcg == pytest.approx(1 / math.log2(3) / ideal)
    assert Ranks(at=[1, 2], wanted=2).ndcg == pytest.approx(1)


def test_the_ideal_has_room_for_ten() -> None:
    assert Ranks(at=list(range(1, 11)), wanted=12).ndcg == pytest.approx(1)


def test_nothing_found_of_nothing_wanted_is_nothing() -> None:
    assert Ranks(at=[], wanted=0).ndcg == 0
    assert not Ranks(at=[], wanted=0).hit(10)
