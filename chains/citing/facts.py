"""What an answer must say exactly as its source does: numbers, dates, units, names, and words in quotation marks."""

from __future__ import annotations

import re
from functools import lru_cache

from chains.citing.dates import is_month
from chains.citing.numerals import is_one
from chains.citing.quantities import Quantities, Quantity, quantities
from chains.language import is_han, terms

_WORD = re.compile(r"[^\W\d_\u3040-\u30ff\u3400-\u9fff](?:[-_./&]?[^\W_\u3040-\u30ff\u3400-\u9fff])*")
_QUOTED = re.compile(r"《([^《》]+)》|「([^「」]+)」|『([^『』]+)』|“([^“”]+)”|\"([^\"]+)\"")
_BEGINS = re.compile(r"(?:\A|[.!?:。！？：]\s|\n)[\s\"“‘'「『(*_-]*\Z")
_MEASURED = re.compile(r"\d\s?\Z")
_SILENT = re.compile(r"[\W_]+")
_ASKS_FOR_RANK = re.compile("第几|第多少|排.{0,3}[几多]|排名")
_SMALL_COUNTS = frozenset(map(str, range(11)))


def agree(said: str, shown: str, *, asked: str = "", translated: bool = False) -> bool:
    """
    Whether everything in `said` that must be exact is in `shown` too.

    What the question `asked` says needs no proof where it is a name or a small count; its years and figures do. In a
    text that is `translated`, names are written otherwise, but for those with digits.
    """
    wanted = quantities(said, ones=is_one(said))
    given = quantities(asked).numbers
    numbers = frozenset(one for one in wanted.numbers if not (one in given and _is_small_count(one)))
    if _ASKS_FOR_RANK.search(asked):  # 十八张 is then the eighteenth
        numbers = frozenset(Quantity(one.value) for one in numbers)
    named = [name for name in names(said) if not translated or any(sign.isdigit() for sign in name)]
    return (
        quantities(shown).say(Quantities(numbers, wanted.dates))
        and all(_has_name(shown, name) or _has_name(asked, name) for name in named)
        and (translated or all(plain(words) in plain(shown) + "\n" + plain(asked) for words in quoted(said)))
    )


@lru_cache(maxsize=4096)
def names(text: str) -> frozenset[str]:
    """
    Words that name something: capitals within a sentence, letters with digits, Latin words among Han characters.

    A capital that begins a sentence counts where the next word has one too. Months are no names, but parts of dates.
    """
    found = list(_WORD.finditer(text))
    every = is_han(text)
    return frozenset(
        match.group()
        for at, match in enumerate(found)
        if not _MEASURED.search(text[: match.start()])
        and (every or _is_name(text, match, found[at + 1].group() if at + 1 < len(found) else ""))
        and terms(match.group())
        and not is_month(match.group())
    )


def quoted(text: str) -> list[str]:
    """What stands in quotation marks or is a title."""
    return ["".join(match.groups("")) for match in _QUOTED.finditer(text)]


def plain(text: str) -> str:
    """Letters and digits only, small."""
    return _SILENT.sub("", text).casefold()


def _is_small_count(number: Quantity) -> bool:
    return not number.unit and number.value in _SMALL_COUNTS


def _is_name(text: str, match: re.Match[str], following: str) -> bool:
    word = match.group()
    if any(sign.isupper() for sign in word[1:]) or any(sign.isdigit() for sign in word):
        return True
    begins = bool(_BEGINS.search(text[: match.start()]))
    return word[0].isupper() and (not begins or following[:1].isupper())


def _has_name(text: str, name: str) -> bool:
    if any(sign.isdigit() for sign in name):
        return bool(re.search(_spelt(name), text, re.IGNORECASE))
    return all(terms(part) <= terms(text) for part in re.split(r"[-_./&]", name))


@lru_cache(maxsize=4096)
def _spelt(name: str) -> str:
    """LC-200 is written LC200 and LC 200 too."""
    letters = re.findall(r"[^\W\d_]+|\d+", name)
    return r"(?<![A-Za-z0-9])" + r"[-_./&\s]?".join(map(re.escape, letters)) + r"(?![A-Za-z0-9])"
