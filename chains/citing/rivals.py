"""Whether a passage gives another number for what was asked than the answer does."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from chains.citing.alignment import Unit, keys, places
from chains.citing.numerals import in_digits
from chains.citing.units import unit_at

_OUTDONE = 1.3
"""A rival this many times as near to what was asked is the number that was asked for."""
_REACH_HAN, _REACH = 12, 40
"""Characters in which nearness halves."""
_CLAUSE = 4
"""The end of a clause parts as much as so many reaches do."""
_BREAK = re.compile(r"[，,;；](?!\d)")
_NUMBER = re.compile(r"\d+(?:[.:]\d+)*")


@dataclass(frozen=True, slots=True)
class _Number:
    value: str
    kind: str
    at: int


def outdone(claim: str, asked: Sequence[Unit], question: str, quote: str) -> bool:
    """
    Whether a number of the quote that the claim does not have stands much nearer to what was asked than the claim's.

    Of "30,547 (19.3%) have a woman at their head, 11,698 (7.4%) a man" only the first tells of women. Only numbers of
    the same kind are compared, such as years with years.
    """
    known = keys(question)
    values = {number.value for number in _numbers(claim)} - known
    told = [number for number in _numbers(quote) if number.value not in known]
    ours = [number for number in told if number.value in values]
    kinds = {number.kind for number in ours}
    rivals = [number for number in told if number.value not in values and number.kind in kinds]
    if not ours or not rivals:
        return False
    return _nearest(rivals, asked, quote) > _OUTDONE * _nearest(ours, asked, quote)


def _nearest(numbers: Sequence[_Number], asked: Sequence[Unit], quote: str) -> float:
    return max(_nearness(number, asked, quote) for number in numbers)


def _nearness(number: _Number, asked: Sequence[Unit], quote: str) -> float:
    """The asked words' weight, less of those that are far from the number."""
    found = places(quote)
    reach = _REACH_HAN if re.search(r"[\u3400-\u9fff]", quote) else _REACH
    breaks = [match.start() for match in _BREAK.finditer(in_digits(quote, ones=False))]
    total = 0.0
    for unit in asked:
        distances = [
            _distance(at, number.at, breaks, reach) for place, at in found if not unit.keys.isdisjoint(place.keys)
        ]
        total += unit.weight / (1 + min(distances) / reach) if distances else 0.0
    return total


def _distance(one: int, other: int, breaks: Sequence[int], reach: int) -> int:
    """In characters, and more for each end of a clause between them."""
    first, last = sorted((one, other))
    return last - first + _CLAUSE * reach * sum(first < at < last for at in breaks)


@lru_cache(maxsize=1024)
def _numbers(text: str) -> tuple[_Number, ...]:
    return tuple(_all(in_digits(text, ones=False)))


def _all(plain: str) -> Iterator[_Number]:
    for found in _NUMBER.finditer(plain):
        unit = unit_at(plain, found.start(), found.end())
        is_year = len(found.group()) == 4 and found.group()[0] in "12" and unit in ("", "year")
        yield _Number(found.group(), "year of a date" if is_year else unit, found.start())
