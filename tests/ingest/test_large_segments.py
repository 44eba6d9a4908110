"""Segments that are large enough for candidates, and what merging and filters do to them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from langchain_core.documents import Document

from ingest.errors import CollectionCorrupt, InvalidFilter
from ingest.stores import coarse, compaction, upkeep
from ingest.stores.coarse import KINDS, Kind
from ingest.stores.compaction import Size, to_merge
from ingest.stores.faiss import FaissStore
from tests.ingest.fakes import HashEmbeddings

ROWS, DIMENSION = 3000, 64


def hard_vectors(count: int, *, seed: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Without clusters, of an intrinsic dimension of 32."""
    rng = np.random.default_rng(seed)
    spread = np.linalg.qr(np.random.default_rng(0).normal(size=(DIMENSION, 32)))[0]
    vectors = (rng.normal(size=(count, 32)) @ spread.T).astype(np.float32)
    unit: np.ndarray[Any, np.dtype[np.float32]] = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit


@pytest.fixture
def vectors() -> np.ndarray[Any, np.dtype[np.float32]]:
    return hard_vectors(ROWS, seed=1)


def filled(folder: Path, vectors: np.ndarray[Any, np.dtype[np.float32]], **options: Any) -> FaissStore:
    store = FaissStore(folder, HashEmbeddings(), embedding_name="hash", **options)
    with store.writing() as change:
        change.add += [
            (Document(f"text {row}", id=str(row), metadata={"row": row, "tenth": row % 10}), vector)
            for row, vector in enumerate(vectors)
        ]
    return store


@pytest.fixture(autouse=True)
def small_candidates(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coarse, "ROWS", 1000)
    monkeypatch.setattr(coarse, "_LISTS", 16)


def recall(store: FaissStore, vectors: np.ndarray[Any, np.dtype[np.float32]], **options: Any) -> float:
    queries, hits = hard_vectors(40, seed=2), 0
    allowed = options.pop("allowed", np.arange(len(vectors)))
    for query in queries:
        truth = allowed[np.argsort(-(vectors[allowed] @ query))[:10]]
        found = store.search_by_vector([float(x) for x in query], 10, **options)
        hits += len({int(str(chunk.id)) for chunk, _ in found} & {int(row) for row in truth})
    return hits / (10 * len(queries))


@pytest.mark.parametrize(
    ("kind", "floor"), [("flat", 1.0), ("rabitq", 0.97), ("sq8", 1.0), ("ivf", 0.6), ("hnsw", 0.97)]
)
def test_every_kind_of_index_finds_what_it_promises(
    tmp_path: Path, vectors: np.ndarray[Any, np.dtype[np.float32]], kind: Kind, floor: float
) -> None:
    assert kind in KINDS
    assert recall(filled(tmp_path, vectors, index=kind), vectors) >= floor
    reopened = FaissStore(tmp_path, HashEmbeddings(), embedding_name="hash")
    assert [one.coarse_kind for one in reopened.segments()] == ["" if kind == "flat" else kind]
    assert recall(reopened, vectors) >= floor


def test_scores_of_candidates_are_exact(tmp_path: Path, vectors: np.ndarray[Any, np.dtype[np.float32]]) -> None:
    store = filled(tmp_path, vectors)
    query = hard_vectors(1, seed=3)[0]
    for chunk, score in store.search_by_vector([float(x) for x in query], 10):
        assert score == pytest.approx(float(vectors[int(str(chunk.id))] @ query), abs=1e-5)


def test_a_filter_that_lets_few_through_is_exact_and_one_that_lets_many_keeps_its_recall(
    tmp_path: Path, vectors: np.ndarray[Any, np.dtype[np.float32]]
) -> None:
    store, rows = filled(tmp_path, vectors), np.arange(ROWS)
    assert recall(store, vectors, filter={"tenth": 3}, allowed=rows[rows % 10 == 3]) == 1.0
    assert recall(store, vectors, filter={"tenth": {"$lt": 6}}, allowed=rows[rows % 10 < 6]) >= 0.95


def test_deleted_chunks_are_not_found_and_the_rest_is(
    tmp_path: Path, vectors: np.ndarray[Any, np.dtype[np.float32]]
) -> None:
    store, rows = filled(tmp_path, vectors), np.arange(ROWS)
    store.delete([str(row) for row in range(0, ROWS, 5)])
    assert recall(store, vectors, allowed=rows[rows % 5 != 0]) >= 0.97
    assert upkeep.verify(store) == []


def test_a_small_change_leaves_a_large_segment_alone(
    tmp_path: Path, vectors: np.ndarray[Any, np.dtype[np.float32]]
) -> None:
    store = filled(tmp_path, vectors)
    base = store.segments()[0]
    for number in range(30):
        with store.writing() as change:
            change.add.append((Document(f"new text {number}", id=f"new-{number}"), vectors[number]))
    assert store.segments()[0] == base
    assert 2 <= len(store.segments()) <= 1 + compaction.FAN_OUT
    assert store.count() == ROWS + 30


def test_a_segment_with_many_deleted_rows_is_written_again_without_them(
    tmp_path: Path, vectors: np.ndarray[Any, np.dtype[np.float32]]
) -> None:
    store, rows = filled(tmp_path, vectors), np.arange(ROWS)
    before = store.segments()[0]
    store.delete([str(row) for row in range(0, ROWS, 2)])
    assert [one.rows for one in store.segments()] == [ROWS // 2] != [before.rows]
    assert recall(store, vectors, allowed=rows[rows % 2 == 1]) >= 0.97
    assert not any(before.name in path.name for path in tmp_path.iterdir())


def test_segments_of_one_size_become_one_of_the_next_and_never_more_than_a_few_are_left() -> None:
    sizes: list[Size] = []
    for _ in range(5000):
        sizes.append(Size(700, 700))
        while run := to_merge(sizes):
            rows = sum(size.alive for size in sizes[run])
            sizes[run] = [Size(rows, rows)]
        assert len(sizes) < 5 * compaction.FAN_OUT
    assert sum(size.rows for size in sizes) == 5000 * 700


def test_an_index_that_is_damaged_is_told_and_mended(
    tmp_path: Path, vectors: np.ndarray[Any, np.dtype[np.float32]]
) -> None:
    facts = filled(tmp_path, vectors).segments()[0]
    data = bytearray((tmp_path / facts.coarse_file).read_bytes())
    data[len(data) // 2] ^= 0xFF
    (tmp_path / facts.coarse_file).write_bytes(data)
    store = FaissStore(tmp_path, HashEmbeddings(), embedding_name="hash")
    with pytest.raises(CollectionCorrupt, match=r"damaged.*repair"):
        store.similarity_search("x")
    assert upkeep.verify(store) == [f"{facts.coarse_file}: {facts.coarse_file} is damaged"]
    assert upkeep.repair(store, progress=lambda *_: None).indexes == (facts.name,)
    assert upkeep.verify(store) == []
    assert recall(store, vectors) >= 0.97


@pytest.mark.parametrize(
    ("wanted", "rows"),
    [
        ({"n": 3}, {3}),
        ({"n": [1, 2]}, {1, 2}),
        ({"n": {"$gte": 2, "$lt": 4}}, {2, 3}),
        ({"n": {"$ne": 1}}, {0, 2, 3, 4}),
        ({"n": {"$nin": [0, 1]}}, {2, 3, 4}),
        ({"tags": "b"}, {1, 2}),
        ({"tags": ["a", "c"]}, {0, 1, 2}),
        ({"tags": {"$exists": False}}, {3, 4}),
        ({"n": {"$gt": "word"}}, set()),
        ({"missing": None}, set()),
        ({"n": 1, "tags": "b"}, {1}),
        (lambda chunk: chunk.metadata["n"] > 2, {3, 4}),
    ],
)
def test_filters_say_what_metadata_must_be(tmp_path: Path, wanted: Any, rows: set[int]) -> None:
    store = FaissStore(tmp_path, HashEmbeddings(), embedding_name="hash")
    tags: list[dict[str, Any]] = [{"tags": ["a"]}, {"tags": ["a", "b"]}, {"tags": ["b", "c"]}, {}, {}]
    store.add_texts([f"word {n}" for n in range(5)], [{"n": n, **tag} for n, tag in enumerate(tags)])
    assert {chunk.metadata["n"] for chunk in store.similarity_search("x", k=9, filter=wanted)} == rows
    assert {chunk.metadata["n"] for chunk, _ in store.keyword_search("word", 9, filter=wanted)} == rows


@pytest.mark.parametrize("wanted", [{"n": {"$regex": "x"}}, {"n": {"$in": "abc"}}])
def test_a_filter_that_cannot_be_asked_is_named(tmp_path: Path, wanted: Any) -> None:
    store = FaissStore(tmp_path, HashEmbeddings(), embedding_name="hash")
    with pytest.raises(InvalidFilter, match="'n'"):
        store.similarity_search("x", filter=wanted)
