"""Which beginnings are kept, and which go."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from models.engine.prefixes import PrefixCache


def cache(*, budget: int = 1000) -> PrefixCache[str]:
    return PrefixCache(block_tokens=4, budget_bytes=budget, size_of=len)


def keep(into: PrefixCache[str], ids: list[int]) -> None:
    into.keep(ids, lambda start: ",".join(map(str, ids[start : start + 4])))


def test_the_longest_known_beginning_is_found_in_whole_blocks() -> None:
    prefixes = cache()
    keep(prefixes, [1, 2, 3, 4, 5, 6, 7, 8, 9])
    assert prefixes.longest([1, 2, 3, 4, 5, 6, 7, 8, 9]) == ["1,2,3,4", "5,6,7,8"]
    assert prefixes.longest([1, 2, 3, 4, 5, 6, 7, 0, 0]) == ["1,2,3,4"]
    assert prefixes.longest([1, 2, 3]) == []


def test_the_same_tokens_after_another_beginning_are_something_else() -> None:
    prefixes = cache()
    keep(prefixes, [1, 1, 1, 1, 5, 6, 7, 8])
    assert prefixes.longest([2, 2, 2, 2, 5, 6, 7, 8]) == []


def test_a_block_is_made_once() -> None:
    prefixes = cache()
    made: list[int] = []

    def block_at(start: int) -> str:
        made.append(start)
        return "x"

    for _ in range(2):
        prefixes.keep(list(range(12)), block_at)
    assert made == [0, 4, 8]


def test_the_least_recently_used_beginning_goes_first() -> None:
    prefixes = cache(budget=2 * 7)
    keep(prefixes, [1, 1, 1, 1])
    keep(prefixes, [2, 2, 2, 2])
    prefixes.longest([1, 1, 1, 1])
    keep(prefixes, [3, 3, 3, 3])
    assert prefixes.longest([2, 2, 2, 2]) == []
    assert prefixes.longest([1, 1, 1, 1])
    assert prefixes.longest([3, 3, 3, 3])


def test_where_not_all_fits_the_beginning_is_kept() -> None:
    prefixes = cache(budget=2 * 7)
    keep(prefixes, [1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3])
    assert prefixes.longest([1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3]) == ["1,1,1,1", "2,2,2,2"]


@given(st.lists(st.lists(st.integers(0, 1), max_size=30), max_size=30), st.integers(0, 80))
def test_whatever_is_kept_the_budget_holds_and_what_is_found_is_right(texts: list[list[int]], budget: int) -> None:
    prefixes = cache(budget=budget)
    for ids in texts:
        found = prefixes.longest(ids)
        assert found == [",".join(map(str, ids[at : at + 4])) for at in range(0, 4 * len(found), 4)]
        keep(prefixes, ids)
        assert prefixes.bytes <= budget
