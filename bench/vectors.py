"""
A million vectors: how long a search takes and what it finds. `make bench-vectors`, or `larkwise bench vectors`.

The data is hard on purpose: without clusters, of an intrinsic dimension of 64 in 512, so that neighbours are far and
many are nearly as far. Queries are other points of the same kind. What is right is what comparing every vector says.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import faiss
import numpy as np
import typer
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from numpy.typing import NDArray

from app.cli_terminal import out, progress_bar
from bench.environment import here
from bench.figures import percentile
from ingest.stores import coarse
from ingest.stores.faiss import FaissStore
from ingest.stores.port import Vectors

_DIMENSION, _INTRINSIC = 512, 64
_PIECE = 50_000
_QUERIES = 200
_WORDS = ("valve", "pump", "leave", "invoice", "router", "battery", "年假", "报销", "温度", "网关", "证明", "设备")


@dataclass(frozen=True, slots=True)
class Point:
    """Of a curve; times in milliseconds."""

    kind: str
    setting: str
    p50: float
    p95: float
    recall: float


class Fixed(Embeddings):
    """Nobody embeds here."""

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [self.embed_query(text) for text in texts]

    def embed_query(self, text: str) -> list[float]:
        return [float(x) for x in hard_vectors(1, seed=len(text))[0]]


def vectors(
    folder: Annotated[Path, typer.Option("--out", help="Where the collection and the curve go")] = Path(
        "var/bench/vectors"
    ),
    count: Annotated[int, typer.Option(min=1000)] = 1_000_000,
    graph_rows: Annotated[int, typer.Option(min=0, help="So many for HNSW, which takes long to build")] = 100_000,
    threads: Annotated[int, typer.Option(min=1, help="For FAISS")] = 1,
) -> None:
    """Search times and recall of a large collection, how soon a change is found, and how long it takes to open."""
    machine = here()
    out.print(f"{machine.cpu}, {machine.cores} cores; larkwise at {machine.commit}; {threads} threads", markup=False)
    faiss.omp_set_num_threads(threads)
    folder.mkdir(parents=True, exist_ok=True)
    collection = folder / f"collection-{count}"
    if not collection.exists():
        _build(collection, count)
    began = time.monotonic()
    store = _open(collection)
    store.search_by_vector([1.0] * _DIMENSION, 1)
    out.print(f"opened, and a first search, in {time.monotonic() - began:.2f} s (must be 3 s or less)", markup=False)
    queries = hard_vectors(_QUERIES, seed=99)
    truth = _truth(count, queries)
    points = [_measured("larkwise", "rabitq, exact scores", queries, truth, _searches(store))]
    points += [
        _measured("larkwise, filter", f"{share:.0%} of the chunks", queries, own, _searches(store, wanted))
        for share, wanted, own in _filtered(count, queries)
    ]
    points += list(_curve(store, queries, truth))
    if graph_rows:
        points += list(_graph(queries, graph_rows))
    for line in _table(points):
        out.print(line, markup=False)
    out.print(_change(store), markup=False)
    out.print(f"segments: {[(one.rows, one.coarse_kind or 'exact') for one in store.segments()]}", markup=False)
    _plot([point for point in points if "larkwise" not in point.kind], folder / "recall.png", count, graph_rows)


def hard_vectors(count: int, *, seed: int) -> Vectors:
    """Unit vectors without clusters; the same subspace for every seed."""
    spread = np.linalg.qr(np.random.default_rng(0).normal(size=(_DIMENSION, _INTRINSIC)))[0].astype(np.float32)
    made = np.random.default_rng(seed).standard_normal((count, _INTRINSIC), dtype=np.float32) @ spread.T
    result: Vectors = made / np.linalg.norm(made, axis=1, keepdims=True)
    return result


def _pieces(count: int) -> Iterator[tuple[int, Vectors]]:
    for start in range(0, count, _PIECE):
        yield start, hard_vectors(min(_PIECE, count - start), seed=1000 + start)


def _open(folder: Path) -> FaissStore:
    return FaissStore(folder, Fixed(), embedding_name="fixed")


def _build(folder: Path, count: int) -> None:
    began, chance = time.monotonic(), random.Random(3)
    store = _open(folder)
    with progress_bar() as progress:
        for start, piece in _pieces(count):
            progress("building", start, count)
            with store.writing() as change:
                change.add += [
                    (
                        Document(
                            " ".join(chance.choices(_WORDS, k=20)),
                            id=str(start + row),
                            metadata={"hundredth": (start + row) % 100},
                        ),
                        vector,
                    )
                    for row, vector in enumerate(piece)
                ]
        progress("building", count, count)
    size = sum(path.stat().st_size for path in folder.iterdir()) / 1e9
    out.print(f"built {count:,} chunks in {time.monotonic() - began:.0f} s, {size:.2f} GB", markup=False)


def _truth(
    count: int, queries: Vectors, keep: Callable[[NDArray[np.int64]], NDArray[np.bool_]] | None = None
) -> list[set[int]]:
    best = np.full((len(queries), 10), -2.0, dtype=np.float32)
    ids = np.zeros((len(queries), 10), dtype=np.int64)
    for start, piece in _pieces(count):
        scores, numbers = queries @ piece.T, start + np.arange(len(piece))
        if keep is not None:
            scores[:, ~keep(numbers)] = -2
        every = np.concatenate([best, scores], axis=1)
        named = np.concatenate([ids, np.broadcast_to(numbers, scores.shape)], axis=1)
        order = np.argpartition(-every, 10, axis=1)[:, :10]
        best, ids = np.take_along_axis(every, order, 1), np.take_along_axis(named, order, 1)
    return [{int(one) for one in row} for row in ids]


Search = Callable[[NDArray[np.float32]], set[int]]


def _searches(store: FaissStore, wanted: dict[str, Any] | None = None) -> Search:
    return lambda query: {int(str(chunk.id)) for chunk, _ in store.search_by_vector(query.tolist(), 10, filter=wanted)}


def _filtered(count: int, queries: Vectors) -> Iterator[tuple[float, dict[str, Any], list[set[int]]]]:
    for hundredths in (1, 50):
        yield (
            hundredths / 100,
            {"hundredth": {"$lt": hundredths}},
            _truth(count, queries, lambda numbers, most=hundredths: numbers % 100 < most),  # type: ignore[misc]
        )


def _measured(kind: str, setting: str, queries: Vectors, truth: Sequence[set[int]], search: Search) -> Point:
    search(queries[0])
    times, hits = [], 0
    for query, right in zip(queries, truth, strict=True):
        began = time.perf_counter()
        found = search(query)
        times.append(1000 * (time.perf_counter() - began))
        hits += len(found & right)
    return Point(kind, setting, percentile(times, 50), percentile(times, 95), hits / (10 * len(queries)))


def _curve(store: FaissStore, queries: Vectors, truth: Sequence[set[int]]) -> Iterator[Point]:
    """The index alone, with more and more candidates."""
    with store._state() as (_, generation):  # the bench looks inside
        large = [live.segment for live in generation.segments if live.segment.coarse]

        def search(candidates: int) -> Search:
            def found(query: NDArray[np.float32]) -> set[int]:
                hits: list[tuple[float, int]] = []
                for segment in large:
                    assert segment.coarse is not None
                    rows = np.sort(segment.coarse.candidates(query, candidates))
                    scores = segment.vectors[rows] @ query
                    hits += zip(scores.tolist(), segment.numbers[rows].tolist(), strict=True)
                return {number - 1 for _, number in sorted(hits, reverse=True)[:10]}

            return found

        for candidates in (50, 100, 300, 1000):
            yield _measured("rabitq", f"{candidates} candidates", queries, truth, search(candidates))
        for kind, name, settings in (("ivf", "nprobe", (10, 64, 256)), ("sq8", "", (0,))):
            indexes = [(segment, coarse.build(kind, segment.vectors)) for segment in large]  # type: ignore[arg-type]
            for setting in settings:

                def found(query: NDArray[np.float32], indexes: Any = indexes) -> set[int]:
                    hits: list[tuple[float, int]] = []
                    for segment, index in indexes:
                        scores, rows = index.index.search(query.reshape(1, -1), 10)
                        hits += zip(scores[0].tolist(), segment.numbers[rows[0]].tolist(), strict=True)
                    return {number - 1 for _, number in sorted(hits, reverse=True)[:10]}

                if setting:
                    for _, index in indexes:
                        index.index.nprobe = setting
                yield _measured(kind, f"{name} {setting}".strip() if setting else "all", queries, truth, found)
            del indexes


def _graph(queries: Vectors, count: int) -> Iterator[Point]:
    data = np.concatenate([piece for _, piece in _pieces(count)])
    truth, began = _truth(count, queries), time.monotonic()
    faiss.omp_set_num_threads(os.cpu_count() or 1)
    graph = coarse.build("hnsw", data)
    out.print(f"HNSW over {count:,} rows took {time.monotonic() - began:.0f} s to build", markup=False)
    faiss.omp_set_num_threads(1)
    for breadth in (64, 128, 256, 512):
        graph.index.hnsw.efSearch = breadth
        yield _measured(
            f"hnsw ({count:,} rows)",
            f"ef {breadth}",
            queries,
            truth,
            lambda query: {int(row) for row in graph.index.search(query.reshape(1, -1), 10)[1][0]},
        )


def _change(store: FaissStore) -> str:
    """One document more, until a search finds it."""
    vector = hard_vectors(1, seed=int(time.time()))[0]
    began = time.monotonic()
    with store.writing() as change:
        change.add.append((Document("a new chunk", id="999999999"), vector))
    found = store.search_by_vector(vector.tolist(), 1)[0][0].id
    seconds = time.monotonic() - began
    store.delete(["999999999"])
    return f"one more chunk is found after {seconds:.2f} s: {found == '999999999'} (must be 2)"


def _table(points: Sequence[Point]) -> Iterator[str]:
    yield "| index | setting | p50 ms | p95 ms | recall@10 |"
    yield "|---|---|---|---|---|"
    for point in points:
        yield f"| {point.kind} | {point.setting} | {point.p50:.2f} | {point.p95:.2f} | {point.recall:.4f} |"


def _plot(points: Sequence[Point], file: Path, count: int, graph_rows: int) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7, 4.5))
    for kind in dict.fromkeys(point.kind for point in points):
        own = [point for point in points if point.kind == kind]
        axes.plot(
            [point.p50 for point in own],
            [point.recall for point in own],
            marker="o",
            label="rabitq (candidates)" if kind == "rabitq" else kind,
        )
        for point in own:
            short = point.setting.removesuffix(" candidates")
            axes.annotate(
                short,
                (point.p50, point.recall),
                (3, -8),
                textcoords="offset points",
                fontsize=7,
                rotation=-45,
                rotation_mode="anchor",
            )
    axes.axhline(0.95, color="grey", linewidth=0.8, linestyle="--")
    axes.set_xscale("log")
    axes.set_xlabel("median time of a search, ms")
    axes.set_ylabel("recall@10")
    axes.set_title(f"{count:,} vectors of 512 dimensions, intrinsic dimension 64; one thread", fontsize=10)
    axes.legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(file, dpi=150)
    out.print(f"the curve is in {file}", markup=False)


if __name__ == "__main__":
    typer.run(vectors)
