from __future__ import annotations

import sqlite3
import tarfile
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from ingest.collections import Collections, EmbeddingModel
from ingest.embedding import EmbedHere, EmbedInThreads
from ingest.errors import CollectionCorrupt, CollectionExists, EmbeddingMismatch, InvalidBackup, UnknownDocument
from ingest.files import list_files
from ingest.pipeline import IngestOptions, ingest
from ingest.stores.catalogue import DATABASE
from ingest.stores.faiss import FaissStore
from tests.ingest.fakes import HashEmbeddings


class OtherEmbeddings(HashEmbeddings):
    """A model of 8 dimensions."""

    def embed_query(self, text: str) -> list[float]:
        return super().embed_query(text)[:8]


def silent(_what: str, _done: int, _total: int) -> None:
    """Nobody watches."""


@pytest.fixture
def collections(tmp_path: Path) -> Collections:
    folder = tmp_path / "documents"
    folder.mkdir()
    for number in range(5):
        (folder / f"{number}.md").write_text(f"# Document {number}\n\nIts text, number {number}.\n")
    collections = Collections(tmp_path / "collections", EmbeddingModel(HashEmbeddings(), "hash", "abc"))
    fill(collections.create("docs"), folder)
    return collections


def fill(store: FaissStore, folder: Path) -> None:
    options = IngestOptions(labels={"team": "hr"})
    ingest(store, list_files([folder]).listing(), options, EmbedHere(store.embeddings), progress=silent)


def texts(store: FaissStore) -> list[str]:
    return sorted(chunk.page_content for chunk in store.similarity_search("x", k=99))


def test_a_collection_describes_itself(collections: Collections) -> None:
    facts = collections.describe("docs")
    assert (facts.documents, facts.chunks, facts.dimension, facts.index) == (5, 5, 16, "exact")
    assert (facts.embedding, facts.embedding_hash) == ("hash", "abc")
    assert (facts.chunk_size, facts.chunk_overlap) == (500, 50)
    assert facts.generation >= 1
    assert facts.bytes is not None
    assert facts.bytes > 1000


def test_other_weights_under_the_same_name_are_refused(collections: Collections, tmp_path: Path) -> None:
    others = Collections(tmp_path / "collections", EmbeddingModel(HashEmbeddings(), "hash", "def"))
    with pytest.raises(EmbeddingMismatch, match=r"'hash abc'.*'hash def'"):
        others.open("docs")


def test_a_copy_lives_on_its_own(collections: Collections) -> None:
    collections.copy("docs", "copy")
    copy = collections.open("copy")
    copy.delete([str(copy.similarity_search("x", k=1)[0].id)])
    collections.delete("docs")
    assert collections.verify("copy") == []
    assert copy.count() == 4
    with pytest.raises(CollectionExists, match="copy"):
        collections.copy("copy", "copy")


def test_a_backup_brings_everything_back(collections: Collections, tmp_path: Path) -> None:
    store = collections.open("docs")
    store.add_texts(["one more"])
    before, facts = texts(store), store.facts()
    written = collections.backup("docs", tmp_path / "docs.backup")
    assert written == (tmp_path / "docs.backup").stat().st_size
    collections.delete("docs")
    collections.restore(tmp_path / "docs.backup", "again")
    again = collections.open("again")
    assert (texts(again), again.facts()) == (before, facts)
    assert collections.verify("again") == []
    assert again.document(again.documents()[0].id) == again.documents()[0]
    assert [path.name for path in (tmp_path / "collections").iterdir()] == ["again"]


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def spoil(file: Path) -> None:
    data = bytearray(file.read_bytes())
    place = data.find(b"segment-") + 700
    data[place] ^= 0xFF
    file.write_bytes(data)


def smuggle(file: Path) -> None:
    with tarfile.open(file, "w") as archive:
        archive.add(__file__, "../../evil.py")


def no_archive(file: Path) -> None:
    file.write_text("this is no archive")


@pytest.mark.parametrize("harm", [cut, spoil, smuggle, no_archive])
def test_a_damaged_backup_is_refused_and_leaves_nothing(
    collections: Collections, tmp_path: Path, harm: Callable[[Path], None]
) -> None:
    file = tmp_path / "docs.backup"
    collections.backup("docs", file)
    harm(file)
    with pytest.raises(InvalidBackup, match=r"docs\.backup"):
        collections.restore(file, "again")
    assert [path.name for path in (tmp_path / "collections").iterdir()] == ["docs"]


def test_a_lost_and_a_damaged_segment_are_told_and_made_again(collections: Collections) -> None:
    store = collections.open("docs")
    store.add_texts(["two"], ids=["2"])
    store.add_texts(["three"], ids=["3"])
    before, vector = texts(store), store.search_by_vector(list(np.ones(16)), 1)
    first, second, third = (store.folder / facts.file for facts in store.segments())
    first.unlink()
    third.write_bytes(third.read_bytes()[:-9] + b"different")
    reopened = Collections(store.folder.parent, EmbeddingModel(HashEmbeddings(), "hash", "abc"))
    assert reopened.verify("docs") == [f"{first.name}: is gone", f"{third.name}: {third.name} is damaged"]
    with pytest.raises(CollectionCorrupt, match="larkwise collections repair docs"):
        reopened.open("docs").similarity_search("x")

    repaired = reopened.repair("docs", progress=silent)

    assert set(repaired.segments) == {first.stem, third.stem}
    assert repaired.chunks == 6
    assert reopened.verify("docs") == []
    mended = reopened.open("docs")
    assert (texts(mended), mended.search_by_vector(list(np.ones(16)), 1)) == (before, vector)
    assert second.exists() or len(mended.segments()) == 1


def test_chunks_that_lost_their_vectors_and_vectors_without_chunks_are_told_and_mended(
    collections: Collections,
) -> None:
    store = collections.open("docs")
    with closing(sqlite3.connect(store.folder / DATABASE)) as db:
        db.execute("DELETE FROM chunks WHERE number = 2")
        db.execute("INSERT INTO dead VALUES (3)")
        db.execute("UPDATE meta SET value = '99' WHERE name = 'generation'")
        db.commit()
    assert collections.verify("docs") == ["1 chunks have no vector", "1 vectors have no chunk"]
    collections.repair("docs", progress=silent)
    assert collections.verify("docs") == []
    assert len(texts(store)) == 4


def test_a_damaged_database_cannot_be_repaired_and_says_so(collections: Collections) -> None:
    database = collections.open("docs").folder / DATABASE
    data = bytearray(database.read_bytes())
    data[4096:8192] = bytes(4096)
    database.write_bytes(data)
    assert collections.verify("docs") != []
    with pytest.raises(CollectionCorrupt, match="backup"):
        collections.repair("docs", progress=silent)


def test_another_model_takes_over_while_searches_go_on(collections: Collections, tmp_path: Path) -> None:
    old, answers, stop = collections.open("docs"), [], threading.Event()

    def search() -> None:
        while not stop.is_set():
            try:
                answers.append(len(old.similarity_search("x", k=9)))
            except EmbeddingMismatch:
                answers.append(-1)

    reader = threading.Thread(target=search)
    reader.start()
    new = OtherEmbeddings()
    others = Collections(tmp_path / "collections", EmbeddingModel(new, "other", "xyz"))
    with pytest.raises(EmbeddingMismatch):
        others.open("docs")
    while not answers:
        pass
    others.reembed("docs", embedder=EmbedHere(new), progress=silent)
    while answers[-1] != -1:
        pass
    stop.set()
    reader.join()
    assert set(answers) == {5, -1}
    assert answers == sorted(answers, reverse=True)
    store = others.open("docs")
    assert len(store.similarity_search("x", k=9)) == 5
    assert {document.labels["team"] for document in store.documents()} == {"hr"}
    assert others.describe("docs").dimension == 8
    assert others.verify("docs") == []


def test_threads_embed_as_one_does(collections: Collections) -> None:
    store = collections.open("docs")
    chunks = store.similarity_search("x", k=9)
    batches = [(number, chunks * 40) for number in range(4)]
    here = list(EmbedHere(HashEmbeddings()).embed(batches))
    there = list(EmbedInThreads(HashEmbeddings(), 2).embed(batches))
    assert [number for number, _ in there] == [0, 1, 2, 3]
    for (_, one), (_, other) in zip(here, there, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_document_is_named_by_its_id_or_its_source(collections: Collections) -> None:
    from ingest.collections import chosen

    store = collections.open("docs")
    document = store.documents()[3]
    assert chosen(store, document.id) == chosen(store, "3.md") == document
    with pytest.raises(UnknownDocument, match="documents list -c docs"):
        chosen(store, "nothing.md")
