from __future__ import annotations

import contextlib
import errno
import multiprocessing
import os
import shutil
import signal
import sqlite3
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from langchain_core.documents import Document

from ingest.errors import CollectionBusy, CollectionCorrupt, EmbeddingMismatch, StorageFull
from ingest.stores import segments
from ingest.stores.faiss import FaissStore
from tests.ingest.fakes import HashEmbeddings


def store_in(folder: Path, **options: Any) -> FaissStore:
    return FaissStore(folder, HashEmbeddings(), embedding_name="hash", **options)


def contents(store: FaissStore) -> set[str]:
    return {document.page_content for document in store.similarity_search("anything", k=1000)}


def test_what_was_added_is_there_after_reopening(tmp_path: Path) -> None:
    store_in(tmp_path).add_texts(["one", "two"], [{"n": 1}, {"n": 2}], ids=["a", "b"])
    found, score = store_in(tmp_path).similarity_search_with_score("two", k=1)[0]
    assert (found.page_content, found.metadata, found.id) == ("two", {"n": 2}, "b")
    assert score == pytest.approx(1.0, abs=1e-5)


def test_scores_are_plain_floats_between_minus_one_and_one(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    store.add_texts([f"text {n}" for n in range(50)])
    scores = [score for _, score in store.similarity_search_with_score("text 7", k=50)]
    assert all(type(score) is float and -1.001 <= score <= 1.001 for score in scores)
    assert scores == sorted(scores, reverse=True)


def test_adding_an_id_again_replaces_it(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    store.add_texts(["old", "other"], ids=["a", "b"])
    store.add_texts(["new"], ids=["a"])
    assert contents(store) == {"new", "other"}
    assert store.count() == 2


def test_a_filter_chooses_before_the_search(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    store.add_texts([f"text {n}" for n in range(500)], [{"rare": n >= 490} for n in range(500)])
    assert len(store.similarity_search("text 3", k=10, filter={"rare": True})) == 10
    assert len(store.similarity_search("text 3", k=3, filter=lambda document: document.metadata["rare"])) == 3


def test_another_embedding_model_is_refused_and_named(tmp_path: Path) -> None:
    store_in(tmp_path).add_texts(["one"])
    with pytest.raises(EmbeddingMismatch, match=r"'hash'.*'other'.*LARKWISE_EMBEDDING_MODEL=hash"):
        FaissStore(tmp_path, HashEmbeddings(), embedding_name="other")


def test_a_damaged_index_file_is_told_and_left_as_it_is(tmp_path: Path) -> None:
    store_in(tmp_path).add_texts(["one"])
    index = next(tmp_path.glob("segment-*.safetensors"))
    damaged = index.read_bytes()[:-3] + b"xyz"
    index.write_bytes(damaged)
    with pytest.raises(CollectionCorrupt, match="damaged"):
        store_in(tmp_path).similarity_search("one")
    with pytest.raises(CollectionCorrupt):
        store_in(tmp_path).add_texts(["two"])
    assert index.read_bytes() == damaged


def test_a_missing_index_file_and_a_damaged_database_are_told(tmp_path: Path) -> None:
    store_in(tmp_path / "a").add_texts(["one"])
    next((tmp_path / "a").glob("segment-*.safetensors")).unlink()
    with pytest.raises(CollectionCorrupt, match="gone"):
        store_in(tmp_path / "a").similarity_search("one")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "collection.sqlite3").write_bytes(b"this is no database at all, but long enough" * 50)
    with pytest.raises(CollectionCorrupt, match="cannot be read"):
        store_in(tmp_path / "b")


def test_there_is_no_pickle_in_the_folder(tmp_path: Path) -> None:
    store_in(tmp_path).add_texts(["one"])
    assert {path.suffix for path in tmp_path.iterdir()} <= {
        ".safetensors",
        ".sqlite3",
        ".lock",
        ".sqlite3-wal",
        ".sqlite3-shm",
    }


def test_a_full_disk_leaves_the_old_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = store_in(tmp_path)
    store.add_texts(["one"])

    def full(*_: object) -> str:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(segments, "write_arrays", full)
    with pytest.raises(StorageFull, match="make room"):
        store.add_texts(["two"])
    monkeypatch.undo()
    assert contents(store) == contents(store_in(tmp_path)) == {"one"}
    store.add_texts(["three"])
    assert contents(store_in(tmp_path)) == {"one", "three"}


@contextmanager
def small_disk(folder: Path, kibibytes: int) -> Iterator[Path]:
    """A real file system that is soon full."""
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={kibibytes}k", "none", folder], check=False)
    if mounted.returncode:
        pytest.skip("mounting a small file system needs root")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)  # mapped files keep it busy


def test_a_disk_that_is_full_is_no_damage(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 512) as disk:
        store = store_in(disk / "collection")
        store.add_texts(["one"])
        (disk / "filler").write_bytes(b"x" * 4096)
        with pytest.raises(StorageFull, match="LARKWISE_DATA_DIR"):
            store.add_texts([f"text {n} " * 50 for n in range(2000)])
        with contextlib.suppress(OSError), (disk / "filler").open("ab") as filler:
            while True:
                filler.write(b"x" * 4096)
        with pytest.raises(StorageFull, match="LARKWISE_DATA_DIR"):
            store_in(disk / "another")
        (disk / "filler").unlink()
        assert contents(store_in(disk / "collection")) == {"one"}


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageFull, match="LARKWISE_DATA_DIR"):
        store_in(tmp_path / "file" / "collection")


def test_a_collection_that_was_made_anew_is_not_searched_with_the_old_vectors(tmp_path: Path) -> None:
    reader = store_in(tmp_path / "c")
    reader.add_texts(["apple"], ids=["a"])
    assert contents(reader) == {"apple"}
    shutil.rmtree(tmp_path / "c")
    store_in(tmp_path / "c").add_texts(["car", "bus"], ids=["c", "b"])
    assert contents(reader) == {"car", "bus"}
    assert reader.similarity_search("bus", k=1)[0].page_content == "bus"


def test_damaged_metadata_is_told(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    store.add_texts(["one"])
    with closing(sqlite3.connect(tmp_path / "collection.sqlite3")) as db:
        db.execute("UPDATE chunks SET metadata = '{broken'")
        db.commit()
    with pytest.raises(CollectionCorrupt, match=r"metadata of .* is damaged"):
        store.similarity_search("one")


def test_a_check_finds_vectors_that_were_changed_on_the_disk(tmp_path: Path) -> None:
    store_in(tmp_path).add_texts(["one"])
    store_in(tmp_path).check()
    index = next(tmp_path.glob("segment-*.safetensors"))
    data = bytearray(index.read_bytes())
    data[-9] ^= 0xFF
    index.write_bytes(data)
    with pytest.raises(CollectionCorrupt, match="damaged"):
        store_in(tmp_path).check()


def test_a_second_writer_gets_a_clear_error_and_nothing_is_lost(tmp_path: Path) -> None:
    first, second = store_in(tmp_path), store_in(tmp_path, lock_timeout_s=0.1)
    with first.writing() as change:
        change.add.append((Document("one", id="a"), first.embed([Document("one")])[0]))
        with pytest.raises(CollectionBusy, match="another process is writing"):
            second.add_texts(["two"])
    second.add_texts(["three"])
    assert contents(first) == {"one", "three"}


def test_a_change_that_raises_is_not_made(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    store.add_texts(["one"], ids=["a"])
    with pytest.raises(RuntimeError, match="on purpose"), store.writing() as change:  # noqa: PT012
        change.delete.append("a")
        raise RuntimeError("on purpose")
    assert contents(store) == {"one"}


def test_readers_never_see_half_a_change(tmp_path: Path) -> None:
    """Each write replaces all ten chunks: a reader must see ten of one generation."""
    writer, stop, seen = store_in(tmp_path), threading.Event(), []
    ids = [str(n) for n in range(10)]
    writer.add_texts(["0"] * 10, [{"round": 0}] * 10, ids=ids)

    def read() -> None:
        reader = store_in(tmp_path)
        while not stop.is_set():
            found = reader.similarity_search("anything", k=20)
            seen.append((len(found), len({document.metadata["round"] for document in found})))

    threads = [threading.Thread(target=read) for _ in range(3)]
    for thread in threads:
        thread.start()
    for number in range(1, 20):
        writer.add_texts([str(number)] * 10, [{"round": number}] * 10, ids=ids)
    stop.set()
    for thread in threads:
        thread.join()
    assert seen
    assert set(seen) == {(10, 1)}


def _write_for_ever(folder: Path, started: Any) -> None:
    store = store_in(folder)
    number = 1
    while True:
        store.add_texts([str(number)] * 20, [{"round": number}] * 20, ids=[str(n) for n in range(20)])
        started.set()
        number += 1


def test_a_writer_that_is_killed_leaves_a_whole_collection(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    for attempt in range(3):
        started = context.Event()
        process = context.Process(target=_write_for_ever, args=(tmp_path, started))
        process.start()
        assert started.wait(60)
        time.sleep(0.02 + 0.013 * attempt)
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        store = store_in(tmp_path)
        found = store.similarity_search("anything", k=100)
        assert len(found) == 20
        assert len({document.metadata["round"] for document in found}) == 1
        store.add_texts(["still writable"], [{"round": 0}], ids=["0"])
        store.add_texts(["x"], [{"round": found[0].metadata["round"]}], ids=["0"])


def test_a_vector_of_another_length_is_refused_and_not_read_beyond_its_end(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    store.add_texts(["one"])
    for length in (1, 15, 17):
        with pytest.raises(EmbeddingMismatch, match=f"{length} dimensions instead of 16"):
            store.search_by_vector([1.0] * length, 1)


def test_many_filters_at_once_are_remembered_without_harm(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    store.add_texts([f"text {n}" for n in range(60)], [{"n": n} for n in range(60)])
    wrong: list[Any] = []

    def search(start: int) -> None:
        for number in [*range(start, 60), *range(start)] * 3:
            found = store.similarity_search("x", k=5, filter={"n": number})
            if [chunk.metadata["n"] for chunk in found] != [number]:
                wrong.append((number, found))

    threads = [threading.Thread(target=search, args=(start,)) for start in (0, 15, 30, 45)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
