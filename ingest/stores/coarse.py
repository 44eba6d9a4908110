"""
Candidates for large segments, on FAISS: which rows are probably the nearest, without looking at every vector.

Whoever asks compares the candidates' own vectors afterwards, so scores are exact, and only a neighbour that is no
candidate is missed. docs/benchmarks.md has the curve behind `KINDS` and `ROWS`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import faiss
import numpy as np
from numpy.typing import NDArray

from ingest.stores.arrays import sha256_of
from ingest.stores.disk import flush_file, flush_folder

Kind: TypeAlias = Literal["flat", "rabitq", "sq8", "ivf", "hnsw"]
KINDS: tuple[Kind, ...] = ("flat", "rabitq", "sq8", "ivf", "hnsw")
ROWS = 50_000
"""A segment with fewer rows is searched exactly: that takes 4 ms at most (512 dimensions, one thread)."""

CANDIDATES, CANDIDATES_A_SEGMENT = 300, 100
"""So many are compared exactly: in all, and at least of each segment. Of the ten nearest .99 are among them in the
hardest data that was tried; each is a random read, so that more of them cost more than their arithmetic."""
_TRAINING_ROWS = 100_000
_LISTS, _PROBES = 1024, 10
"""Of `ivf`: the project's sources' own."""
_LINKS, _BUILD_BREADTH, _SEARCH_BREADTH = 32, 80, 256
"""Of `hnsw`."""


@dataclass(frozen=True, slots=True)
class Coarse:
    """An index over the rows of one segment, by their numbers from 0."""

    kind: Kind
    index: Any

    def candidates(self, query: NDArray[np.float32], count: int) -> NDArray[np.int64]:
        """About `count` rows that are probably near, in no order."""
        _, rows = self.index.search(query.reshape(1, -1), min(count, self.index.ntotal))
        found: NDArray[np.int64] = rows[0][rows[0] >= 0]
        return found


def build(kind: Kind, vectors: NDArray[np.float32]) -> Coarse:
    """
    Over unit vectors, (rows, dimension), that may be mapped from a file; `kind` is not "flat".

    `rabitq` keeps one bit a dimension (Gao and Long, 2024) and looks at every row; `sq8` eight bits; `ivf` looks into
    the nearest lists; `hnsw` follows a graph, and takes some hundred times as long to build.
    """
    rows, dimension = vectors.shape
    index = _empty(kind, rows, dimension)
    if not index.is_trained:
        step = max(1, rows // _TRAINING_ROWS)
        index.train(np.ascontiguousarray(vectors[::step]))
    for start in range(0, rows, _TRAINING_ROWS):
        index.add(np.ascontiguousarray(vectors[start : start + _TRAINING_ROWS]))
    return Coarse(kind, index)


def _empty(kind: Kind, rows: int, dimension: int) -> Any:
    match kind:
        case "rabitq":
            turned = faiss.RandomRotationMatrix(dimension, dimension)
            turned.init(1)
            codes = faiss.IndexRaBitQFastScan(dimension, faiss.METRIC_INNER_PRODUCT)
            return faiss.IndexPreTransform(turned, codes)
        case "ivf":
            lists = min(_LISTS, max(1, rows // 39))
            quantizer = faiss.IndexFlatIP(dimension)
            index = faiss.IndexIVFFlat(quantizer, dimension, lists, faiss.METRIC_INNER_PRODUCT)
            index.nprobe = _PROBES
            return index
        case "hnsw":
            graph: Any = faiss.index_factory(dimension, f"HNSW{_LINKS}_SQ8", faiss.METRIC_INNER_PRODUCT)
            graph.hnsw.efConstruction, graph.hnsw.efSearch = _BUILD_BREADTH, _SEARCH_BREADTH
            return graph
        case "sq8":
            return faiss.index_factory(dimension, "SQ8", faiss.METRIC_INNER_PRODUCT)
        case "flat":
            raise ValueError("an exact search needs no index")


def write(coarse: Coarse, path: Path) -> str:
    """
    Write beside, flush to the disk, rename; the sha256 of the file.

    Raises:
        OSError: the disk is full or not writable; nothing is left of it.
    """
    fresh = path.with_name(f".{path.name}.new")
    try:
        try:
            faiss.write_index(coarse.index, str(fresh))
        except RuntimeError as error:
            raise OSError(28, f"FAISS could not write {path.name} ({error})") from error
        flush_file(fresh)
        digest = sha256_of(fresh)
        fresh.replace(path)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise
    flush_folder(path.parent)
    return digest


def read(kind: Kind, path: Path) -> Coarse:
    """
    Raises:
        OSError: it cannot be read, or is no index.
    """
    try:
        return Coarse(kind, faiss.read_index(str(path)))
    except RuntimeError as error:
        raise OSError(5, f"FAISS cannot read {path.name} ({error})") from error
