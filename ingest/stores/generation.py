"""One state of a collection in memory: its segments, which of their rows are alive, and the search over them."""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ingest.stores import coarse, keywords
from ingest.stores.keywords import Searched
from ingest.stores.port import Filter
from ingest.stores.segments import Segment, exact, probable

_REMEMBERED_FILTERS = 32
Allowed = NDArray[np.int64]
"""Chunk numbers, ascending."""


@dataclass(frozen=True, slots=True)
class LiveSegment:
    """A segment and which of its rows are not deleted."""

    segment: Segment
    alive: NDArray[np.bool_]
    count: int
    """How many are alive."""

    @classmethod
    def of(cls, segment: Segment, dead: Allowed) -> LiveSegment:
        alive = np.ones(segment.facts.rows, dtype=bool)
        alive[segment.rows_of(dead)] = False
        return cls(segment, alive, int(alive.sum()))


@dataclass(frozen=True, slots=True)
class Generation:
    """Everything that a search needs but the texts; `key` changes with every commit."""

    key: tuple[str, str]
    segments: tuple[LiveSegment, ...]
    filters: dict[str, Allowed] = field(default_factory=dict)
    remembering: threading.Lock = field(default_factory=threading.Lock)

    @property
    def count(self) -> int:
        """Of chunks that are alive."""
        return sum(live.count for live in self.segments)

    def nearest(
        self, query: NDArray[np.float32], k: int, allowed: Allowed | None, pool: ThreadPoolExecutor
    ) -> list[tuple[int, float]]:
        """(chunk number, inner product) of the `k` nearest, best first; large segments are searched side by side."""
        rows = max(1, sum(len(live.alive) for live in self.segments))

        def search(live: LiveSegment) -> Sequence[tuple[int, float]]:
            return _nearest_in(live, query, k, allowed, len(live.alive) / rows)

        large = sum(live.segment.coarse is not None for live in self.segments)
        found = pool.map(search, self.segments) if large > 1 else map(search, self.segments)
        return sorted(chain.from_iterable(found), key=lambda hit: -hit[1])[:k]

    def sharing_terms(self, question: str, k: int, allowed: Allowed | None) -> list[tuple[int, float]]:
        """(chunk number, BM25 score) of the `k` best, best first."""
        searched = self._searched(allowed)
        return self._best_words(searched, keywords.scores_of(searched, question), k)

    def hybrid(
        self, query: NDArray[np.float32], question: str, k: int, allowed: Allowed | None, pool: ThreadPoolExecutor
    ) -> list[tuple[int, float, float]]:
        """(chunk number, inner product, BM25 score) of the `k` best of either kind, those near in meaning first."""
        near = dict(self.nearest(query, k, allowed, pool))
        searched = self._searched(allowed)
        scores = keywords.scores_of(searched, question)
        sharing = [number for number, _ in self._best_words(searched, scores, k) if number not in near]
        found = np.array(sorted([*near, *sharing]), dtype=np.int64)
        both: dict[int, tuple[float, float]] = {}
        for live, of_rows in zip(self.segments, scores, strict=True):
            rows = live.segment.rows_of(found)
            products = live.segment.vectors[rows] @ query
            for number, product, score in zip(live.segment.numbers[rows], products, of_rows[rows], strict=True):
                both[int(number)] = (float(product), float(score))
        return [(number, *both[number]) for number in (*near, *sharing)]

    def rarities(self, words: Sequence[str]) -> list[float]:
        return keywords.rarities(self._searched(None), words)

    def _searched(self, allowed: Allowed | None) -> list[Searched]:
        return [Searched(live.segment.postings, live.alive, _allowed_rows(live, allowed)) for live in self.segments]

    def _best_words(
        self, searched: Sequence[Searched], scores: Sequence[keywords.Scores], k: int
    ) -> list[tuple[int, float]]:
        hits = keywords.best(searched, scores, k)
        return [(int(self.segments[place].segment.numbers[row]), score) for place, row, score in hits]

    def vector(self, number: int) -> NDArray[np.float32]:
        """Of a chunk that is alive."""
        wanted = np.array([number], dtype=np.int64)
        for live in self.segments:
            if len(rows := live.segment.rows_of(wanted)):
                return np.array(live.segment.vectors[rows[0]])
        raise KeyError(number)

    def allowed(self, wanted: Filter | None, find: Callable[[Filter], Allowed]) -> Allowed | None:
        """What a filter lets through; `find` looks it up where it was not asked before in this generation."""
        if wanted is None:
            return None
        if not isinstance(wanted, Mapping):
            return find(wanted)
        key = json.dumps(wanted, sort_keys=True, default=_jsonable)
        found = self.filters.get(key)
        if found is None:
            found = find(wanted)
            with self.remembering:
                while len(self.filters) >= _REMEMBERED_FILTERS:
                    del self.filters[next(iter(self.filters))]
                self.filters[key] = found
        return found


def _jsonable(value: Any) -> Any:
    return sorted(map(repr, value)) if isinstance(value, set | frozenset) else repr(value)


def _allowed_rows(live: LiveSegment, allowed: Allowed | None) -> NDArray[np.bool_]:
    if allowed is None:
        return live.alive
    rows = np.zeros(len(live.alive), dtype=bool)
    rows[live.segment.rows_of(allowed)] = True
    return rows & live.alive


def _nearest_in(
    live: LiveSegment, query: NDArray[np.float32], k: int, allowed: Allowed | None, part: float
) -> Sequence[tuple[int, float]]:
    """`part` of all rows are in this segment."""
    everything = allowed is None and live.count == len(live.alive)
    rows = None if everything else _allowed_rows(live, allowed)
    count = live.count if rows is None else int(rows.sum())
    if not count:
        return []
    if count < coarse.ROWS or k >= coarse.ROWS:  # few are allowed: each is compared
        places, scores = exact(live.segment, query, k, rows)
    else:
        wanted = max(coarse.CANDIDATES_A_SEGMENT, coarse.CANDIDATES * part, 4 * k)
        candidates = math.ceil(wanted * len(live.alive) / count)
        places, scores = probable(live.segment, query, k, rows, candidates=candidates)
    numbers = live.segment.numbers[places]
    return [(int(number), float(score)) for number, score in zip(numbers, scores, strict=True)]
