"""How much of one text another one holds: by word stems, numbers, and pairs of Chinese characters."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from chains.citing.numerals import in_digits, is_one
from chains.citing.units import is_unit
from chains.language import terms

_HAN = "\u3400-\u4dbf\u4e00-\u9fff"
_PIECE = re.compile(
    rf"(?P<measured>(?<=\d)[{_HAN}])|(?P<han>[{_HAN}]+)|(?P<number>\d+(?:[.:]\d+)*)|[^\W\d_{_HAN}](?:[-_./]?[^\W_{_HAN}])*"
)
_ZH_EMPTY = re.compile(
    "什么时候|什么|什麼|甚么|怎么样|怎么|怎样|怎樣|如何|是否|多少|多久|多长时间|多长|多大|多高|哪些|哪个|哪里|哪儿|哪种|哪一|哪|几|幾|请问|"
    "谁|誰|为什么|为何|為何|何时|何地|何处|何|能否|可不可以|可以|能不能|是不是|有没有|以及|或者|如果|但是|因为|因為|所以|由于|由於|因此|"
    "我们|你们|他们|她们|它们|一下|一个|一個|一种|这个|那个|这些|那些|位于|位於|属于|屬於|称为|稱為|被称|叫做|叫作|就是|指的是|是指|"
    "[的了吗嗎呢吧啊呀和与與及或在是有被把对對从從到为為于於以也都就而要会會能我你他她它这這那其该該些每请請将將给給让讓由等之则則还還很最更着著过過时時]"
)
"""Words that say too little to be looked for in a source."""
_EN_EMPTY_WORDS = """
    located locate called call known named name state states stated mention mentions mentioned according refer refers
    referred mean means include includes including included approximately around however therefore because since while
    yes also become became one based
"""
_EN_EMPTY = frozenset(_EN_EMPTY_WORDS.split())
_ONE = re.compile(r"一[^\W\d_a-zA-Z]|\bone\b", re.IGNORECASE)
_NUMBER_WEIGHT, _WORD_WEIGHT, _HAN_WEIGHT = 2.0, 2.0, 1.0
"""A Chinese word has two characters."""


@dataclass(frozen=True, slots=True)
class Unit:
    """A word, a number or a Chinese character; a text that has one of its `keys` has it."""

    text: str
    keys: frozenset[str]
    weight: float


@lru_cache(maxsize=4096)
def units(text: str) -> tuple[Unit, ...]:
    """In order, without those that say nothing."""
    return tuple(unit for unit, _ in _all(in_digits(text, ones=is_one(text))) if unit.weight)


@lru_cache(maxsize=8192)
def keys(text: str) -> frozenset[str]:
    """What its units, and others', are looked for in."""
    plain = in_digits(text, ones=False)
    one = frozenset({"1"} if _ONE.search(text) else ())
    return one.union(*(unit.keys for unit, _ in _all(plain)), re.findall(rf"[{_HAN}]", plain))


def held(wanted: Sequence[Unit], *texts: frozenset[str]) -> float:
    """The share of the units' weight that the texts have between them, 0..1; 1 where nothing is wanted."""
    total = weight(wanted)
    return weight([unit for unit in wanted if _in(unit, texts)]) / total if total else 1.0


def without(wanted: Sequence[Unit], *texts: frozenset[str]) -> tuple[Unit, ...]:
    """The units that none of the texts has."""
    return tuple(unit for unit in wanted if not _in(unit, texts))


def lacks_word(said: str, *texts: frozenset[str]) -> bool:
    """
    Whether two neighbouring Chinese characters are in none of the texts: they are a word, and often a name.

    Names cannot be told from other words in Chinese, so that no word may be missing where names must agree.
    """
    missing = [at for unit, at in places(said) if unit.weight == _HAN_WEIGHT and not _in(unit, texts)]
    return any(second - first == 1 for first, second in pairwise(missing))


def weight(some: Sequence[Unit]) -> float:
    """Of all of them: 2 for each word or number, 1 for each Chinese character."""
    return sum(unit.weight for unit in some)


def _in(unit: Unit, texts: Sequence[frozenset[str]]) -> bool:
    return any(not unit.keys.isdisjoint(text) for text in texts)


@lru_cache(maxsize=1024)
def places(text: str) -> tuple[tuple[Unit, int], ...]:
    """Its units, and where each begins in the text with its numbers in digits."""
    return tuple(_all(in_digits(text, ones=False)))


def _all(text: str) -> Iterator[tuple[Unit, int]]:
    for found in _PIECE.finditer(text):
        piece = found.group()
        if found["measured"]:  # 年 or 个 after a number: other characters follow it in another text
            yield Unit(piece, frozenset({piece}), 0.0), found.start()
        elif found["han"]:
            yield from ((unit, found.start() + at) for at, unit in enumerate(_characters(piece)))
        elif found["number"]:
            yield Unit(piece, frozenset({piece}), _NUMBER_WEIGHT), found.start()
        elif is_unit(piece) and text[: found.start()].rstrip()[-1:].isdigit():
            yield Unit(piece, frozenset({piece.lower()}), 0.0), found.start()
        else:
            yield _word(piece), found.start()


def _characters(run: str) -> Iterator[Unit]:
    empty = {at for match in _ZH_EMPTY.finditer(run) for at in range(*match.span())}
    for at, character in enumerate(run):
        pairs = {run[start : start + 2] for start in (at - 1, at) if 0 <= start < len(run) - 1}
        yield Unit(character, frozenset(pairs or {character}), 0.0 if at in empty else _HAN_WEIGHT)


@lru_cache(maxsize=65536)
def _word(word: str) -> Unit:
    stems = terms(word) or frozenset({word.lower()})
    empty = not terms(word) or word.lower() in _EN_EMPTY
    return Unit(word, stems, 0.0 if empty else _WORD_WEIGHT)
