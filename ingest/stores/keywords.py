"""
BM25 over immutable segments (Robertson and Zaragoza, 2009): which chunks share the question's words.

A segment's postings say for each term in which rows it stands, and how often. Statistics of the whole collection are
summed over its segments at the time of the question, without the rows that are deleted, so that a collection gives
the same scores however it came to be.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from ingest.stores.terms import Keys, term_keys

K1 = 1.5
B = 0.75
_COUNT_BITS = 8
_MOST = (1 << _COUNT_BITS) - 1
"""Of a term in a chunk: BM25 hardly tells more than that apart."""
MOST_ROWS = 1 << (32 - _COUNT_BITS)
"""In one segment."""


Scores: TypeAlias = NDArray[np.float32]
"""One for each row of a segment."""


@dataclass(frozen=True, slots=True)
class Postings:
    """
    Where each term stands: `keys` ascend, `packed[starts[i]:starts[i + 1]]` are the rows of `keys[i]`, ascending.

    A packed number is the row, and in its lowest eight bits how often the term stands there. `lengths` are the rows'
    numbers of terms.
    """

    keys: Keys
    starts: NDArray[np.int64]
    packed: NDArray[np.uint32]
    lengths: NDArray[np.int32]

    def of(self, key: np.uint64) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
        """The rows that hold a term, and how often each does."""
        place = int(np.searchsorted(self.keys, key))
        if place == len(self.keys) or self.keys[place] != key:
            return self.packed[:0], self.packed[:0]
        here = self.packed[int(self.starts[place]) : int(self.starts[place + 1])]
        return here >> np.uint32(_COUNT_BITS), here & np.uint32(_MOST)


@dataclass(frozen=True, slots=True)
class Searched:
    """A segment's postings and which of its rows count: `alive` are not deleted, `allowed` are asked for as well."""

    postings: Postings
    alive: NDArray[np.bool_]
    allowed: NDArray[np.bool_]


def postings_of(texts: Iterable[str]) -> Postings:
    """One row a text."""
    lengths: list[int] = []
    keys, packed = [np.zeros(0, np.uint64)], [np.zeros(0, np.uint32)]
    for row, text in enumerate(texts):
        here, often = np.unique(term_keys(text), return_counts=True)
        lengths.append(int(often.sum()))
        keys.append(here)
        packed.append((np.minimum(often, _MOST) | (row << _COUNT_BITS)).astype(np.uint32))
    every, together = _by_key(np.concatenate(keys), np.concatenate(packed))
    distinct, sizes = np.unique(every, return_counts=True)
    return Postings(distinct, starts_of(sizes), together, np.array(lengths, dtype=np.int32))


def starts_of(sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)


def _by_key(keys: Keys, packed: NDArray[np.uint32]) -> tuple[Keys, NDArray[np.uint32]]:
    """Keys ascending, and the rows of each."""
    order = np.argsort(keys, kind="stable")
    return keys[order], packed[order]


def rarities(segments: Sequence[Searched], words: Sequence[str]) -> list[float]:
    """BM25's weight of each word: the larger, the fewer chunks hold it; of its rarest term where it has several."""
    keys_of = [np.unique(term_keys(word)) for word in words]
    every = np.unique(np.concatenate([np.zeros(0, np.uint64), *keys_of]))
    weights = dict(zip(every.tolist(), _weights(segments, every), strict=True))
    return [max((weights[int(key)] for key in keys), default=0.0) for keys in keys_of]


def _weights(segments: Sequence[Searched], keys: Keys) -> list[float]:
    total = sum(int(one.alive.sum()) for one in segments)
    frequencies = [sum(int(one.alive[one.postings.of(key)[0]].sum()) for one in segments) for key in keys]
    return [float(np.log(1 + (total - frequency + 0.5) / (frequency + 0.5))) for frequency in frequencies]


def best(segments: Sequence[Searched], scores: Sequence[Scores], k: int) -> list[tuple[int, int, float]]:
    """(segment, row, score) of the `k` best, best first; only allowed rows that share a term."""
    hits = [
        hit
        for place, (one, of_rows) in enumerate(zip(segments, scores, strict=True))
        for hit in _best_of(place, np.where(one.allowed, of_rows, 0), k)
    ]
    return sorted(hits, key=lambda hit: (-hit[2], hit[0], hit[1]))[:k]


def scores_of(segments: Sequence[Searched], question: str) -> list[Scores]:
    """BM25 of every row of each segment; 0 where no term of the question stands in it."""
    keys = np.unique(term_keys(question))
    total = sum(int(one.alive.sum()) for one in segments)
    length = sum(int(one.postings.lengths[one.alive].sum(dtype=np.int64)) for one in segments)
    if not len(keys) or not total:
        return [np.zeros(len(one.alive), dtype=np.float32) for one in segments]
    weights = _weights(segments, keys)
    return [_scores(one, keys, weights, length / total) for one in segments]


def _scores(
    one: Searched,
    keys: Keys,
    weights: Sequence[float],
    average: float,
) -> Scores:
    scores = np.zeros(len(one.alive), dtype=np.float32)
    damping = (K1 * (1 - B + B * np.asarray(one.postings.lengths) / max(average, 1e-9))).astype(np.float32)
    for key, weight in zip(keys, weights, strict=True):
        rows, counts = one.postings.of(key)
        often = counts.astype(np.float32)
        scores[rows] += np.float32(weight * (K1 + 1)) * often / (often + damping[rows])
    return scores


def _best_of(place: int, scores: Scores, k: int) -> Iterator[tuple[int, int, float]]:
    rows = np.flatnonzero(scores > 0)
    if len(rows) > k:
        rows = rows[np.argpartition(-scores[rows], k - 1)[:k]]
    return ((place, int(row), float(scores[row])) for row in rows)


Parts = Sequence[tuple[Postings, NDArray[np.bool_]]]
"""Segments' postings, and which of their rows are kept when they become one."""
_BLOCK = 4_000_000


def merged_sizes(parts: Parts) -> tuple[Keys, NDArray[np.int64]]:
    """The terms of several segments together, and in how many kept rows each stands."""
    keys = np.unique(np.concatenate([np.zeros(0, np.uint64), *(part.keys for part, _ in parts)]))
    sizes = np.zeros(len(keys), dtype=np.int64)
    for part, kept in parts:
        sizes[np.searchsorted(keys, part.keys)] += _kept_sizes(part, kept)
    return keys[sizes > 0], sizes[sizes > 0]


def merged(parts: Parts, keys: Keys, sizes: NDArray[np.int64]) -> Iterator[NDArray[np.uint32]]:
    """The packed postings of `merged_sizes`, rows counted through all segments, in blocks of some megabytes."""
    places = _new_rows([kept for _, kept in parts])
    cuts = np.flatnonzero(np.diff(np.cumsum(sizes) // _BLOCK)) + 1
    for block in np.split(keys, cuts):
        if len(block):
            yield _merged_block(parts, places, block)


def _kept_sizes(part: Postings, kept: NDArray[np.bool_]) -> NDArray[np.int64]:
    if kept.all():
        return np.diff(part.starts)
    before = np.zeros(len(part.packed) + 1, dtype=np.int64)
    np.cumsum(kept[part.packed >> np.uint32(_COUNT_BITS)], out=before[1:])
    return np.diff(before[part.starts])


def _new_rows(every_kept: Sequence[NDArray[np.bool_]]) -> list[NDArray[np.int64]]:
    """Where each row goes; -1 where it goes nowhere."""
    places, before = [], 0
    for kept in every_kept:
        places.append(np.where(kept, np.cumsum(kept) + (before - 1), -1))
        before += int(kept.sum())
    return places


def _merged_block(parts: Parts, places: Sequence[NDArray[np.int64]], block: Keys) -> NDArray[np.uint32]:
    keys, packed = [], []
    for (part, _), place in zip(parts, places, strict=True):
        first, last = np.searchsorted(part.keys, block[0]), np.searchsorted(part.keys, block[-1], side="right")
        here = part.packed[int(part.starts[first]) : int(part.starts[last])]
        moved = place[here >> np.uint32(_COUNT_BITS)]
        stays = moved >= 0
        keys.append(np.repeat(part.keys[first:last], np.diff(part.starts[first : last + 1]))[stays])
        packed.append((moved[stays] << _COUNT_BITS).astype(np.uint32) | (here[stays] & np.uint32(_MOST)))
    return _by_key(np.concatenate(keys), np.concatenate(packed))[1]
