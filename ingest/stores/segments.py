"""
A segment: chunks' vectors and terms in one immutable file, and candidates in another where there are many.

A change writes a new, small segment; larger ones are merged from those before, one after the other, so that a
segment's chunk numbers ascend and no two segments' numbers overlap.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import faiss
import numpy as np
from numpy.typing import NDArray

from ingest.stores import coarse as coarse_index
from ingest.stores.arrays import DamagedArrays, Planned, map_arrays, sha256_of, write_arrays
from ingest.stores.coarse import Coarse, Kind
from ingest.stores.keywords import Postings, merged, merged_sizes, postings_of, starts_of
from ingest.stores.port import Vectors

_CHECKED_BYTES = 32 * 2**20
"""A larger file is not read whole when it is opened: `larkwise collections verify` does that."""
_COPIED_ROWS = 16_384


@dataclass(frozen=True, slots=True)
class SegmentFacts:
    """What the database says of a segment; `coarse_kind` is empty where it is searched exactly."""

    name: str
    rows: int
    sha256: str
    coarse_kind: str = ""
    coarse_sha256: str = ""

    @property
    def file(self) -> str:
        return f"{self.name}.safetensors"

    @property
    def coarse_file(self) -> str:
        return f"{self.name}.faiss"

    @property
    def files(self) -> tuple[str, ...]:
        return (self.file, self.coarse_file) if self.coarse_kind else (self.file,)


@dataclass(frozen=True, slots=True)
class Segment:
    """`numbers` ascend; row i of `vectors` belongs to the chunk `numbers[i]`."""

    facts: SegmentFacts
    numbers: NDArray[np.int64]
    vectors: Vectors
    postings: Postings
    coarse: Coarse | None

    def rows_of(self, numbers: NDArray[np.int64]) -> NDArray[np.int64]:
        """The rows of those of the ascending `numbers` that are here."""
        if not len(self.numbers):
            return np.zeros(0, dtype=np.int64)
        first, last = np.searchsorted(numbers, [self.numbers[0], self.numbers[-1] + 1])
        here = numbers[first:last]
        rows = np.searchsorted(self.numbers, here)
        found: NDArray[np.int64] = rows[self.numbers[rows] == here]
        return found


def write_segment(
    folder: Path, name: str, numbers: NDArray[np.int64], vectors: Vectors, texts: Sequence[str], kind: Kind
) -> SegmentFacts:
    """A segment of new chunks; `texts` are what the keyword index holds."""
    postings = postings_of(texts)
    rows, dimension = vectors.shape
    sha256 = write_arrays(
        folder / f"{name}.safetensors",
        {
            "numbers": Planned(np.int64, (rows,), [numbers]),
            "vectors": Planned(np.float32, (rows, dimension), [vectors]),
            "lengths": Planned(np.int32, (rows,), [postings.lengths]),
            "keys": Planned(np.uint64, postings.keys.shape, [postings.keys]),
            "starts": Planned(np.int64, postings.starts.shape, [postings.starts]),
            "packed": Planned(np.uint32, postings.packed.shape, [postings.packed]),
        },
    )
    return with_coarse(folder, SegmentFacts(name, rows, sha256), vectors, kind)


def merge_segments(
    folder: Path, name: str, parts: Sequence[Segment], kept: Sequence[NDArray[np.bool_]], kind: Kind
) -> SegmentFacts:
    """One segment of the kept rows of others, in their order; memory is bounded whatever their size."""
    rows = sum(int(keep.sum()) for keep in kept)
    dimension = parts[0].vectors.shape[1]
    postings = [(part.postings, keep) for part, keep in zip(parts, kept, strict=True)]
    keys, sizes = merged_sizes(postings)
    sha256 = write_arrays(
        folder / f"{name}.safetensors",
        {
            "numbers": Planned(np.int64, (rows,), (p.numbers[keep] for p, keep in zip(parts, kept, strict=True))),
            "vectors": Planned(np.float32, (rows, dimension), _copied(parts, kept)),
            "lengths": Planned(np.int32, (rows,), (part.lengths[keep] for part, keep in postings)),
            "keys": Planned(np.uint64, keys.shape, [keys]),
            "starts": Planned(np.int64, (len(keys) + 1,), [starts_of(sizes)]),
            "packed": Planned(np.uint32, (int(sizes.sum()),), merged(postings, keys, sizes)),
        },
    )
    facts = SegmentFacts(name, rows, sha256)
    return with_coarse(folder, facts, map_arrays(folder / facts.file)["vectors"], kind)


def _copied(parts: Sequence[Segment], kept: Sequence[NDArray[np.bool_]]) -> Iterator[Vectors]:
    for part, keep in zip(parts, kept, strict=True):
        for start in range(0, len(keep), _COPIED_ROWS):
            here = slice(start, start + _COPIED_ROWS)
            yield part.vectors[here][keep[here]]


def with_coarse(folder: Path, facts: SegmentFacts, vectors: Vectors, kind: Kind) -> SegmentFacts:
    """The segment's facts, with candidates built where it is large enough for them."""
    if kind == "flat" or facts.rows < coarse_index.ROWS:
        return SegmentFacts(facts.name, facts.rows, facts.sha256)
    sha256 = coarse_index.write(coarse_index.build(kind, vectors), folder / facts.coarse_file)
    return SegmentFacts(facts.name, facts.rows, facts.sha256, kind, sha256)


def open_segment(folder: Path, facts: SegmentFacts) -> Segment:
    """
    Map it into memory; a small one's checksum is compared, a large one's size.

    Raises:
        OSError: a file of it cannot be read.
        DamagedArrays: a file of it is not what was written.
    """
    path = folder / facts.file
    check_file(path, facts.sha256, whole=path.stat().st_size <= _CHECKED_BYTES)
    arrays = map_arrays(path)
    try:
        postings = Postings(*(arrays[name] for name in ("keys", "starts", "packed", "lengths")))
        numbers, vectors = arrays["numbers"], arrays["vectors"]
    except KeyError as error:
        raise DamagedArrays(f"{facts.file} lacks {error}") from error
    if not len(numbers) == len(vectors) == facts.rows:
        raise DamagedArrays(f"{facts.file} has {len(numbers)} rows and not {facts.rows}")
    return Segment(facts, numbers, vectors, postings, _open_coarse(folder, facts))


def _open_coarse(folder: Path, facts: SegmentFacts) -> Coarse | None:
    if not facts.coarse_kind:
        return None
    path = folder / facts.coarse_file
    check_file(path, facts.coarse_sha256, whole=path.stat().st_size <= _CHECKED_BYTES)
    kind = next((kind for kind in coarse_index.KINDS if kind == facts.coarse_kind), None)
    if kind is None:
        raise DamagedArrays(f"{facts.coarse_file} is of a kind that is not known: {facts.coarse_kind}")
    opened = coarse_index.read(kind, path)
    if opened.index.ntotal != facts.rows:
        raise DamagedArrays(f"{facts.coarse_file} has {opened.index.ntotal} rows and not {facts.rows}")
    return opened


def check_file(path: Path, sha256: str, *, whole: bool) -> None:
    """
    Raises:
        OSError: it cannot be read.
        DamagedArrays: it is not what was written.
    """
    if whole and sha256_of(path) != sha256:
        raise DamagedArrays(f"{path.name} is damaged")


def exact(
    segment: Segment, query: NDArray[np.float32], k: int, allowed: NDArray[np.bool_] | None
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The rows of the `k` nearest of the allowed rows, and their inner products; FAISS looks at each."""
    rows, dimension = segment.vectors.shape
    k = min(k, rows if allowed is None else int(allowed.sum()))
    scores = np.empty((1, max(k, 1)), dtype=np.float32)
    found = np.full((1, max(k, 1)), -1, dtype=np.int64)
    if k < 1:
        return found[0, :0], scores[0, :0]
    bits = None if allowed is None else np.packbits(allowed, bitorder="little")
    selector = None if bits is None else faiss.IDSelectorBitmap(rows, faiss.swig_ptr(bits))
    faiss.knn_inner_product(
        faiss.swig_ptr(query),
        faiss.swig_ptr(segment.vectors),
        dimension,
        1,
        rows,
        k,
        faiss.swig_ptr(scores),
        faiss.swig_ptr(found),
        selector,
    )
    there = found[0] >= 0
    return found[0][there], scores[0][there]


def probable(
    segment: Segment, query: NDArray[np.float32], k: int, allowed: NDArray[np.bool_] | None, *, candidates: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The same from the candidates, of which fewer are left where not every row is allowed."""
    if segment.coarse is None:
        return exact(segment, query, k, allowed)
    rows = segment.coarse.candidates(query, candidates)
    if allowed is not None:
        rows = rows[allowed[rows]]
    rows = np.sort(rows)  # in the order in which they lie in the file
    scores = segment.vectors[rows] @ query
    nearest = np.argsort(-scores, kind="stable")[:k]
    return rows[nearest], scores[nearest]
