"""Which of its two languages a text is in, and the words of it that carry meaning."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from functools import lru_cache
from typing import Literal

import snowballstemmer

Language = Literal["zh", "en"]

_HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff]")
_WORD = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff]+|\d+(?:[.,:]\d+)*|[A-Za-z][A-Za-z0-9]*(?:[-_./][A-Za-z0-9]+)*")
_ZH_EMPTY = re.compile(
    "什么时候|什么|怎么样|怎么|怎样|如何|是否|多少|多久|多长时间|多长|多大|多高|哪些|哪个|哪里|哪种|哪|几|请问|谁|为什么|为何|能否|"
    "可不可以|可以|能不能|是不是|有没有|需要|应该|应当|必须|以及|或者|如果|但是|因为|所以|我们|你们|他们|咱们|公司|一下|一个|这个|那个|"
    "[的了吗呢吧啊呀和与及或在是有被把对从到为于以也都就而要会能我你他她它这那其该些每请将给让由等之则还很最更]"
)
_EN_EMPTY_WORDS = """
    a an the of to in on at for from by with as is are was were be been being am do does did done have has had
    having what which who whom whose when where why how much many long often may might can could shall should
    will would must i me my we us our you your he she it its they them their this that these those there here
    and or but if then than so not no nor only about into over under after before between during per each any
    all some such same other more most very just also too there's what's please tell give get gets got need
    needs want using use used via up out off
"""
_EN_EMPTY = frozenset(_EN_EMPTY_WORDS.split())


_stem_of: dict[str, str] = {}
"""Words repeat, and a stemmer written in Python takes its time."""
_MOST_STEMS = 200_000


class _Stemmers(threading.local):
    """A stemmer keeps the word that it works on: each thread has its own."""

    def __init__(self) -> None:
        self.english = snowballstemmer.stemmer("english")


_stemmers = _Stemmers()


def language_of(text: str) -> Language:
    """English where its small words are and Han characters are few; a Chinese question may be full of English names."""
    han = len(_HAN.findall(text))
    latin = [word.lower() for word in re.findall(r"[A-Za-z]+", text)]
    is_english = han <= len(latin) if any(word in _EN_EMPTY for word in latin) else han == 0
    return "en" if is_english else "zh"


def is_han(text: str) -> bool:
    """Whether a text is written in Han characters rather than in Latin letters."""
    return 2 * len(_HAN.findall(text)) > len(re.findall(r"[A-Za-z]+", text))


def characters(text: str) -> frozenset[str]:
    """Its Han characters."""
    return frozenset(_HAN.findall(text))


@lru_cache(maxsize=4096)
def terms(text: str) -> frozenset[str]:
    """
    What a text is about: stemmed English words, numbers, and pairs of Chinese characters, without function words.

    A name such as LC-200 counts as a whole and in its parts, because people write it both ways.
    """
    return frozenset(term for term, _ in _found(text))


def written(text: str) -> dict[str, str]:
    """Each of its `terms`, and how the text writes it: another index may stem words in its own way."""
    return dict(_found(text))


def numbers(text: str) -> frozenset[str]:
    """The numbers in a text, as one writes them without thousands separators; not those in names such as LC-200."""
    return frozenset(_number(word) for word in _WORD.findall(text) if word[0].isdigit())


def _found(text: str) -> Iterator[tuple[str, str]]:
    for word in _WORD.findall(text):
        if _HAN.match(word):
            yield from ((pair, pair) for pair in _pairs(word))
        elif word[0].isdigit():
            yield _number(word), word
        else:
            yield from _english(word.lower())


def _pairs(run: str) -> list[str]:
    pairs = []
    for piece in _ZH_EMPTY.split(run):
        if len(piece) == 1:
            pairs.append(piece)
        pairs += [piece[at : at + 2] for at in range(len(piece) - 1)]
    return pairs


def _english(word: str) -> list[tuple[str, str]]:
    parts = [word, *re.split(r"[-_./]", word)] if re.search(r"[-_./]", word) else [word]
    return [(_stem(part), part) for part in parts if part and part not in _EN_EMPTY]


def _stem(word: str) -> str:
    if word not in _stem_of:
        if len(_stem_of) >= _MOST_STEMS:
            _stem_of.clear()
        _stem_of[word] = str(_stemmers.english.stemWord(word))
    return _stem_of[word]


def _number(word: str) -> str:
    return re.sub(r",(?=\d{3}\b)", "", word)
