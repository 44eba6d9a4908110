"""How good an answer is: does it hold what it should, and how much else does it say."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

_MARKER = re.compile(r"\s?\[\d+\]")
_TOKEN = re.compile(r"[\u3400-\u9fff]|[^\W_\u3400-\u9fff]+(?:\.\d+)?")
"""A Chinese character, or a word or number of another script; punctuation is none."""
_SILENT = re.compile(r"[\W_]+")


@dataclass(frozen=True, slots=True)
class Score:
    """`f1` 0..1, as for SQuAD (Rajpurkar et al., 2016), with Chinese counted by character; of the best gold string."""

    contains: bool
    exact: bool
    f1: float


def score(answer: str, golds: Sequence[str]) -> Score:
    """Of an answer to an answerable question; citation marks and punctuation do not count, nor does case."""
    said = _MARKER.sub("", answer)
    plain, plain_golds = _plain(said), [plain for gold in golds if (plain := _plain(gold))]
    return Score(
        contains=any(gold in plain for gold in plain_golds),
        exact=plain in plain_golds,
        f1=max((_f1(tokens(said), tokens(gold)) for gold in golds), default=0.0),
    )


def tokens(text: str) -> list[str]:
    """Chinese characters, and words of other scripts in small letters."""
    return _TOKEN.findall(_folded(text))


def _f1(said: Sequence[str], gold: Sequence[str]) -> float:
    common = (Counter(said) & Counter(gold)).total()
    if not common:
        return 0.0
    precision, recall = common / len(said), common / len(gold)
    return 2 * precision * recall / (precision + recall)


def _plain(text: str) -> str:
    return _SILENT.sub("", _folded(text))


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()
