"""Text to terms, for the keyword index: Chinese as single characters and pairs, other words stemmed."""

from __future__ import annotations

import hashlib
import re
import threading
import unicodedata
from functools import lru_cache

import numpy as np
import snowballstemmer
from numpy.typing import NDArray

Keys = NDArray[np.uint64]

_CJK = ((0x3040, 0x30FF), (0x3400, 0x9FFF), (0xAC00, 0xD7AF), (0xF900, 0xFAFF), (0x20000, 0x3FFFF))
"""Written without spaces between words: kana, ideographs, hangul."""
_WORD = re.compile(r"[^\W_぀-ヿ㐀-鿿가-힯豈-﫿\U00020000-\U0003ffff]+")
# fmt: off
_STOP_WORDS = frozenset((
    "a", "an", "and", "are", "as", "at", "be", "been", "but", "by", "can", "could", "did", "do", "does", "for",
    "from", "had", "has", "have", "how", "i", "if", "in", "into", "is", "it", "its", "me", "my", "no", "not", "of",
    "on", "or", "our", "shall", "should", "so", "than", "that", "the", "their", "them", "then", "there", "these",
    "they", "this", "those", "to", "was", "we", "were", "what", "when", "where", "which", "who", "whom", "whose",
    "why", "will", "with", "would", "you", "your",
))
# fmt: on
_WORD_BIT = 1 << 63
_FIRST_OF_PAIR = np.uint64(21)  # a code point has at most 21 bits


class _Stemmers(threading.local):
    """A stemmer keeps the word that it works on: each thread has its own."""

    def __init__(self) -> None:
        self.english = snowballstemmer.stemmer("english")


_stemmers = _Stemmers()


def term_keys(text: str) -> Keys:
    """
    A number for each term of the text, repeated as often as it stands there; no two terms share one in practice.

    Measured on zh questions, single characters with pairs find more than a word cutter's words; on en ones, stems
    with the title more than words (recall at 1: .945 against .934, and .725 against .703).
    """
    folded = unicodedata.normalize("NFKC", text).casefold()
    words = [_word_key(word) for word in _WORD.findall(folded) if word not in _STOP_WORDS]
    return np.concatenate([_ideograph_keys(folded), np.array(words, dtype=np.uint64)])


def _ideograph_keys(text: str) -> Keys:
    if text.isascii():
        return np.zeros(0, dtype=np.uint64)
    points = np.frombuffer(text.encode("utf-32-le", "replace"), dtype=np.uint32)
    is_cjk = np.zeros(len(points), dtype=bool)
    for first, last in _CJK:
        is_cjk |= (points >= first) & (points <= last)
    wide = points.astype(np.uint64)
    pairs = is_cjk[:-1] & is_cjk[1:]
    return np.concatenate([wide[is_cjk], (wide[:-1][pairs] << _FIRST_OF_PAIR) | wide[1:][pairs]])


@lru_cache(maxsize=200_000)
def _word_key(word: str) -> int:
    stem = _stemmers.english.stemWord(word)
    return int.from_bytes(hashlib.blake2b(stem.encode(), digest_size=8).digest()) | _WORD_BIT
