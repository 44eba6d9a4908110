"""The dates of a text: 1949年10月1日, 1949-10-01, October 1, 1949 and 1 Oct 1949 are the same."""

from __future__ import annotations

import re
from dataclasses import dataclass

_NAMES = (
    "january jan|february feb|march mar|april apr|may|june jun|july jul|august aug|september sept sep|october oct|"
    "november nov|december dec"
)
_MONTHS = {name: month for month, names in enumerate(_NAMES.split("|"), start=1) for name in names.split()}
_NAME = rf"(?P<name>{'|'.join(sorted(_MONTHS, key=len, reverse=True))})\b\.?"
_YEAR = r"(?P<year>\d{4})\b"
_NTH = r"第?(?P<day>\d{1,2})\b"
_DATES = [
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"(?P<bc>前)?(?P<year>\d{1,4})\s?年\s?(?:[(（][^()（）]*[)）])?(?P<month>\d{1,2})\s?月(?:\s?(?P<day>\d{1,2})\s?[日号號])?",
        r"(?P<month>\d{1,2})\s?月\s?(?P<day>\d{1,2})\s?[日号號]",
        r"(?<![\d./-])(?P<year>\d{4})([-/.])(?P<month>0?[1-9]|1[0-2])\2(?P<day>0?[1-9]|[12]\d|3[01])(?![\d./-]*\d)",
        rf"\b{_NAME}\s+{_NTH}(?:\s*,?\s*{_YEAR})?",
        rf"{_NTH}\s+(?:of\s+)?{_NAME}(?:\s*,?\s*{_YEAR})?",
        rf"\b{_NAME}\s*,?\s+(?:of\s+)?{_YEAR}",
    )
]


@dataclass(frozen=True, slots=True)
class Date:
    """At least two of its parts are known. A year before Christ is negative."""

    year: int | None = None
    month: int | None = None
    day: int | None = None

    def says(self, other: Date) -> bool:
        """Whether this one has every part that the other has."""
        return all(
            theirs in (None, mine)
            for mine, theirs in ((self.year, other.year), (self.month, other.month), (self.day, other.day))
        )


def is_month(word: str) -> bool:
    """Whether it is an English month's name, or short for one."""
    return word.lower() in _MONTHS


def dates_in(text: str) -> tuple[list[Date], str]:
    """The dates of a text whose numbers are in digits, and the text with blanks in their places."""
    found: list[Date] = []

    def take(match: re.Match[str]) -> str:
        found.append(_date(match.groupdict()))
        return " " * len(match.group())

    for pattern in _DATES:
        text = pattern.sub(take, text)
    return found, text


def _date(parts: dict[str, str | None]) -> Date:
    year, month, day = parts.get("year"), parts.get("month"), parts.get("day")
    name = parts.get("name")
    sign = -1 if parts.get("bc") else 1
    return Date(
        year=sign * int(year) if year else None,
        month=_MONTHS[name.lower()] if name else int(month) if month else None,
        day=int(day) if day else None,
    )
