"""The numbers of a text, with their units, and its dates."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache

from chains.citing.dates import Date, dates_in
from chains.citing.numerals import in_digits
from chains.citing.units import CENTURY, COUNT, DAY, MONTH, ORDINAL, YEAR, unit_at

_IDENTIFIER = re.compile(r"(?<![A-Za-z0-9])[A-Za-z]+(?:[-_./]?[A-Za-z0-9]+)*")
_NUMBERED = re.compile(r"\bno\.?\s?(?=\d)", re.IGNORECASE)
_DECADE = re.compile(r"\b(\d{1,3}0)['’]?s\b")
_SHORT_YEAR = re.compile(r"\b(1\d|20)(\d\d)([-–—~])(\d\d)(?![\d/.-])")
_NUMBER = re.compile(r"(?P<nth>第\s?)?(?P<value>\d+(?:[.:]\d+)+|\d/\d(?!\d)|\d+)")


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number; `unit` is empty where there is none, or none that is known."""

    value: str
    """In digits, without trailing zeros; or a time, a version, a fraction as it is written."""
    unit: str = ""

    def says(self, other: Quantity) -> bool:
        """Whether this one supports the other: a unit that is not said may be any, but for parts of a date."""
        return self.value == other.value and (
            self.unit == other.unit or _is_compatible(self.unit, other.unit) or _is_compatible(other.unit, self.unit)
        )


def _is_compatible(unit: str, other: str) -> bool:
    if unit == "":
        return other not in (MONTH, DAY)
    if unit == ORDINAL:
        return other in (DAY, CENTURY)
    if unit == YEAR:
        return other == "year"  # 民国17年 is a date, and so is 民国17年1月
    return unit == COUNT and other not in (YEAR, MONTH, DAY, ORDINAL)


@dataclass(frozen=True, slots=True)
class Quantities:
    """All numbers of a text, those of its dates too, and its dates."""

    numbers: frozenset[Quantity]
    dates: frozenset[Date]

    def say(self, others: Quantities) -> bool:
        """Whether they support each number and each date of the others."""
        mine = self.dates | self._dated()
        return all(any(number.says(one) for number in self.numbers) for one in others.numbers) and all(
            any(date.says(one) for date in mine) for one in others.dates
        )

    def _dated(self) -> frozenset[Date]:
        """Dates without a year, with the only year that is spoken of: 1949年9月21日……10月1日."""
        years = {one.value for one in self.numbers if one.unit == YEAR}
        if len(years) != 1:
            return frozenset()
        return frozenset(Date(int(min(years)), one.month, one.day) for one in self.dates if one.year is None)


@lru_cache(maxsize=8192)
def quantities(text: str, *, ones: bool = True) -> Quantities:
    """As `numerals.in_digits`; digits within names such as LC-200 are no numbers."""
    plain = _NUMBERED.sub("第", in_digits(text, ones=ones))
    plain = _SHORT_YEAR.sub(_both_years, plain)
    dates, rest = dates_in(_DECADE.sub(r"\1年代", plain))
    numbers = [*_parts(dates), *_numbers(_IDENTIFIER.sub(_blank, rest))]
    return Quantities(frozenset(numbers), frozenset(dates))


def _both_years(found: re.Match[str]) -> str:
    """1914-18 is 1914 and 1918."""
    century, year, _, end = found.groups()
    return f"{found.group()} {century}{end}" if year < end else found.group()


def _blank(name: re.Match[str]) -> str:
    text = name.group()
    return " " * len(text) if any(sign.isdigit() for sign in text) else text


def _parts(dates: list[Date]) -> Iterator[Quantity]:
    for date in dates:
        for part, unit in ((date.year, YEAR), (date.month, MONTH), (date.day, DAY)):
            if part is not None:
                yield Quantity(str(part), unit)


def _numbers(text: str) -> Iterator[Quantity]:
    for found in _NUMBER.finditer(text):
        value, unit = found["value"], unit_at(text, found.start("value"), found.end())
        if re.fullmatch(r"\d+(?:\.\d+)?", value):
            value = f"{Decimal(value).normalize():f}"
        before_christ = text[: found.start()].endswith("前")
        if unit == "year" and text[found.end() :].lstrip().startswith("年") and (len(value) == 4 or before_christ):
            unit, value = YEAR, f"-{value}" if before_christ else value
        yield Quantity(value, ORDINAL if found["nth"] and unit != CENTURY else unit)
