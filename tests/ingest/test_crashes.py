"""A process that is killed at any moment at which something becomes durable leaves a whole collection."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ingest import pipeline
from ingest.embedding import EmbedHere
from ingest.files import list_files
from ingest.pipeline import IngestOptions, ingest
from ingest.stores import backup, compaction, faiss, upkeep
from ingest.stores.faiss import FaissStore
from tests.ingest.fakes import HashEmbeddings

Work = Callable[[Path, Path], None]
"""Of a collection's folder and a folder of documents."""


def store_in(folder: Path) -> FaissStore:
    return FaissStore(folder, HashEmbeddings(), embedding_name="hash")


def ingest_all(collection: Path, documents: Path) -> None:
    store = store_in(collection)
    ingest(
        store,
        list_files([documents]).listing(),
        IngestOptions(prune=True),
        EmbedHere(store.embeddings),
        progress=lambda *_: None,
    )


def reembed(collection: Path, _: Path) -> None:
    new = HashEmbeddings()
    upkeep.reembed(
        store_in(collection),
        EmbedHere(new),
        embedding=new,
        embedding_name="hash",
        embedding_hash="another",
        progress=lambda *_: None,
    )


def copy(collection: Path, _: Path) -> None:
    backup.copy(store_in(collection), collection.with_name("copy"))


@pytest.fixture
def documents(tmp_path: Path) -> Path:
    folder = tmp_path / "documents"
    folder.mkdir()
    for number in range(6):
        (folder / f"{number}.md").write_text(f"# Document {number}\n\nIts text, number {number}.\n")
    return folder


@pytest.fixture(autouse=True)
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "_CHUNKS_A_COMMIT", 2)
    monkeypatch.setattr(compaction, "FAN_OUT", 2)


def killed_at(moment: int, work: Work, collection: Path, documents: Path) -> bool:
    """Work in another process that is killed before the so many-th durable step; False where it was done before."""
    child = os.fork()
    if child == 0:
        try:
            _count_down_to_death(moment)
            work(collection, documents)
        except BaseException:  # noqa: BLE001 - this is another process, whose only answer is its exit code
            os._exit(2)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return True
    assert os.WEXITSTATUS(status) == 0
    return False


def _count_down_to_death(moment: int) -> None:
    left = moment

    def before(real: Callable[..., Any]) -> Callable[..., Any]:
        def step(*args: Any, **options: Any) -> Any:
            nonlocal left
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            left -= 1
            return real(*args, **options)

        return step

    for name in ("fsync", "rename", "replace", "unlink", "link"):
        setattr(os, name, before(getattr(os, name)))
    step = before(faiss.commit)
    for module in (faiss, upkeep):
        vars(module)["commit"] = step
    pytest.MonkeyPatch().setattr(faiss.FaissStore, "_remove_unnamed", before(faiss.FaissStore._remove_unnamed))


def texts(store: FaissStore) -> list[str]:
    return sorted(chunk.page_content for one in store.documents() for chunk in store.chunks_of(one.id))


def test_ingestion_that_is_killed_anywhere_goes_on_without_doubles_or_orphans(tmp_path: Path, documents: Path) -> None:
    first = tmp_path / "first"
    ingest_all(first, documents)
    (documents / "1.md").write_text("# Changed\n\nAnother text.\n")
    (documents / "2.md").unlink()
    (documents / "3.md").rename(documents / "renamed.md")
    (documents / "new.md").write_text("# New\n\nA new text.\n")
    expected = tmp_path / "expected"
    ingest_all(expected, documents)

    moment = 0
    while True:
        collection = tmp_path / f"killed-{moment}"
        shutil.copytree(first, collection)
        if not killed_at(moment, ingest_all, collection, documents):
            break
        ingest_all(collection, documents)
        assert upkeep.verify(store_in(collection)) == [], f"killed at {moment}"
        assert texts(store_in(collection)) == texts(store_in(expected)), f"killed at {moment}"
        named = {name for one in store_in(collection).segments() for name in one.files}
        left = {path.name for path in collection.iterdir() if "segment-" in path.name}
        assert left == named, f"killed at {moment}"
        moment += 1
    assert moment > 12


def test_a_first_ingestion_that_is_killed_anywhere_goes_on(tmp_path: Path, documents: Path) -> None:
    moment = 0
    while killed_at(moment, ingest_all, tmp_path / f"killed-{moment}", documents):
        collection = tmp_path / f"killed-{moment}"
        ingest_all(collection, documents)
        assert upkeep.verify(store_in(collection)) == []
        assert store_in(collection).count() == 6
        moment += 1
    assert moment > 10


def test_a_change_of_model_that_is_killed_anywhere_leaves_the_old_or_the_new(tmp_path: Path, documents: Path) -> None:
    first = tmp_path / "first"
    ingest_all(first, documents)
    moment, hashes = 0, []
    while True:
        collection = tmp_path / f"killed-{moment}"
        shutil.copytree(first, collection)
        if not killed_at(moment, reembed, collection, documents):
            break
        store = store_in(collection)
        hashes.append(store.facts()["embedding_hash"])
        assert upkeep.verify(store) == []
        assert len(store.similarity_search("anything", k=50)) == 6
        moment += 1
    assert hashes == sorted(hashes)
    assert set(hashes) == {"", "another"}


def test_a_copy_that_is_killed_anywhere_is_not_there_or_whole(tmp_path: Path, documents: Path) -> None:
    ingest_all(tmp_path / "first", documents)
    moment = 0
    while killed_at(moment, copy, tmp_path / "first", documents):
        target = tmp_path / "copy"
        if target.exists():
            assert upkeep.verify(store_in(target)) == []
            shutil.rmtree(target)
        moment += 1
    assert upkeep.verify(store_in(tmp_path / "copy")) == []
    assert upkeep.verify(store_in(tmp_path / "first")) == []
