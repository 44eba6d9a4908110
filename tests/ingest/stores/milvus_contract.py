"""What Milvus Lite and a Milvus server both promise, beyond the contract of every engine and less than it."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from langchain_core.documents import Document

from ingest.errors import ChunkTooLarge, CollectionBusy, EmbeddingMismatch, InvalidCollectionName, NotSupported
from ingest.stores import milvus_lease
from ingest.stores.milvus import MilvusStore
from ingest.stores.milvus_collections import collection_exists, collection_names, drop_collection
from ingest.stores.milvus_connection import MilvusConnection
from ingest.stores.milvus_names import chunks_name, records_name
from ingest.stores.port import Source, StoredDocument
from tests.ingest.fakes import HashEmbeddings
from tests.ingest.stores.contract import Opens, StoreContract, a_document, chunks, put, texts_in


class KilledHere(Exception):
    """Stands for a crash."""


class MilvusContract(StoreContract):
    changes_are_one_moment = False
    has_index_of_words = False

    @pytest.fixture
    def connection(self) -> MilvusConnection:
        raise NotImplementedError

    @pytest.fixture
    def prefix(self, connection: MilvusConnection) -> Iterator[str]:
        """Of the names of a test's collections; they are dropped behind it."""
        prefix = f"t{uuid.uuid4().hex[:8]}-"
        yield prefix
        for name in collection_names(connection):
            if name.startswith(prefix):
                drop_collection(connection, name)

    @pytest.fixture
    def open_store(self, connection: MilvusConnection, prefix: str) -> Opens:
        def opened(name: str = "contract", *, embedding_name: str = "hash", **options: Any) -> MilvusStore:
            embedding = options.pop("embedding", None) or HashEmbeddings()
            return MilvusStore(connection, prefix + name, embedding, embedding_name=embedding_name, **options)

        return opened

    def test_collections_are_apart(self, open_store: Opens) -> None:
        put(open_store(), a_document("d", "a.md"), "one")
        put(open_store("另一个-2_x"), a_document("d", "b.md"), "two")

        assert texts_in(open_store()) == {"one"}
        assert texts_in(open_store("另一个-2_x")) == {"two"}
        assert open_store("另一个-2_x").name.endswith("另一个-2_x")

    def test_collections_are_listed_found_and_dropped_by_our_names(
        self, open_store: Opens, connection: MilvusConnection, prefix: str
    ) -> None:
        names = sorted(prefix + name for name in ("2024-财务_a", "Üb", "a_002d", "a-", "𠀀"))
        for name in names:
            open_store(name.removeprefix(prefix)).add_texts([name])

        assert [name for name in collection_names(connection) if name.startswith(prefix)] == names
        assert collection_exists(connection, names[0])
        for name in names:
            drop_collection(connection, name)
        assert [name for name in collection_names(connection) if name.startswith(prefix)] == []
        assert not collection_exists(connection, names[0])
        drop_collection(connection, names[0])
        assert not [name for name in connection.names() if prefix[:-1] in name]

    def test_a_name_that_milvus_cannot_hold_is_refused(self, connection: MilvusConnection) -> None:
        with pytest.raises(InvalidCollectionName):
            collection_exists(connection, "很" * 64)

    def test_a_collection_that_is_written_to_is_not_dropped(
        self, open_store: Opens, connection: MilvusConnection, prefix: str
    ) -> None:
        store = open_store()

        with store.writing(), pytest.raises(CollectionBusy):
            drop_collection(connection, prefix + "contract", wait_s=0.1)

        assert collection_exists(connection, prefix + "contract")

    def test_a_collection_that_was_made_anew_is_empty(
        self, open_store: Opens, connection: MilvusConnection, prefix: str
    ) -> None:
        open_store().add_texts(["one"])

        connection.drop(records_name(prefix + "contract"))  # a deletion that was interrupted here

        assert texts_in(open_store()) == set()
        open_store().add_texts(["two"])
        assert texts_in(open_store()) == {"two"}

    def test_the_index_is_the_sources(self, open_store: Opens, connection: MilvusConnection, prefix: str) -> None:
        open_store().add_texts(["one"])

        described = connection._client.describe_index(chunks_name(prefix + "contract"), "embedding")

        assert (described["index_type"], described["metric_type"]) == ("IVF_FLAT", "IP")
        assert str(described.get("nlist", 1024)) == "1024"  # Lite does not say

    def test_a_text_that_fits_no_field_is_refused_in_words_and_nothing_is_changed(self, open_store: Opens) -> None:
        store = open_store()
        put(store, a_document("d", "a.md"), "one")

        with pytest.raises(ChunkTooLarge, match="65536 bytes of text, and Milvus holds 65535"):
            put(store, a_document("d", "a.md", digest="2"), "x" * 65_536)
        with pytest.raises(ChunkTooLarge, match="90000 bytes"):
            put(store, a_document("d", "a.md", digest="2"), "很" * 30_000)
        with pytest.raises(ChunkTooLarge, match="metadata"):
            put(store, a_document("d", "a.md", digest="2"), "two", long="x" * 70_000)
        many = a_document("many", *(f"{n}{'x' * 100}" for n in range(1_000)))
        with pytest.raises(ChunkTooLarge, match="sources or labels"), store.writing() as change:
            change.record.append(many)

        assert texts_in(store) == {"one"}
        assert store.documents() == [a_document("d", "a.md")]

    def test_the_longest_text_is_kept_whole(self, open_store: Opens) -> None:
        store = open_store()
        longest = "很" * 21_845

        store.add_texts([longest])

        assert texts_in(store) == {longest}

    def test_many_chunks_are_written_read_and_deleted(self, open_store: Opens) -> None:
        store = open_store()
        made = chunks(a_document("d", "a.md"), *(f"text {n}" for n in range(2_500)))
        vectors = np.random.default_rng(1).normal(size=(2_500, 16)).astype(np.float32)
        with store.writing() as change:
            change.record.append(a_document("d", "a.md"))
            change.add += zip(made, vectors / np.linalg.norm(vectors, axis=1, keepdims=True), strict=True)

        assert store.chunk_counts() == {"d": 2_500}
        assert [chunk.page_content for chunk in store.chunks_of("d")] == [f"text {n}" for n in range(2_500)]
        assert len(store.similarity_search("x", k=2_400)) == 2_400
        with store.writing() as change:
            change.record.append(a_document("d", "renamed.md"))
        assert {chunk.metadata["source"] for chunk in store.chunks_of("d")} == {"renamed.md"}
        with store.writing() as change:
            change.forget.append("d")
        assert store.count() == 0

    def test_more_chunks_than_milvus_gives_at_once_are_refused_in_words(
        self, open_store: Opens, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        store = open_store()
        store.add_texts(["one"])
        monkeypatch.setattr(store, "count", lambda: 20_000)

        with pytest.raises(NotSupported, match="at most 16384"):
            store.similarity_search("one", k=16_385)

    def test_a_question_of_another_length_is_refused(self, open_store: Opens) -> None:
        store = open_store()
        store.add_texts(["one"])

        with pytest.raises(EmbeddingMismatch, match="3 dimensions instead of 16"):
            store.search_by_vector([1.0, 0.0, 0.0], 1)

    def test_wherever_it_crashes_the_next_ingest_leaves_no_duplicate_and_no_orphan(self, open_store: Opens) -> None:
        store = open_store()
        crashes = 0
        for stop_before in range(20):
            put(store, a_document("d", "a.md"), "one", "two", "three")
            put(store, a_document("gone", "b.md"), "gone")
            store.add_texts(["loose"], ids=["loose"])
            if not _crash_before(store, stop_before):
                break
            crashes += 1

            # no chunk without its document, and what is in doubt will be ingested again
            known = {document.id: document for document in store.documents()}
            for chunk in store.similarity_search("x", k=100):
                if "document_id" in chunk.metadata:
                    assert chunk.metadata["document_id"] in known
            if texts_in(store) != {"one", "two", "three", "gone", "loose"}:
                unfinished = {name for name, document in known.items() if not document.digest}
                assert unfinished or (set(known) <= {"d", "new"} and known["d"].digest == "2")

            _change_everything(store)
            assert texts_in(store) == {"new one", "new two", "fresh"}
            assert [(one.id, one.digest, one.source) for one in store.documents()] == [
                ("d", "2", "a.md"),
                ("new", "1", "n.md"),
            ]
            assert store.count() == 3
        assert crashes >= 5

    def test_what_a_killed_writer_left_runs_out(self, open_store: Opens, monkeypatch: pytest.MonkeyPatch) -> None:
        store = open_store(lock_timeout_s=0.1)
        monkeypatch.setattr(milvus_lease, "_processes", lambda: "another machine")
        monkeypatch.setattr(milvus_lease, "LEASE_S", 4.0)
        lease = milvus_lease.Lease(store.connection, store._records, name=store.name, wait_s=1)  # type: ignore[attr-defined]
        lease.acquire()
        monkeypatch.undo()

        with pytest.raises(CollectionBusy, match="killed one"):
            store.add_texts(["one"])
        time.sleep(4)
        store.add_texts(["two"])

        assert texts_in(store) == {"two"}

    def test_what_a_killed_process_of_this_machine_left_is_void_at_once(
        self, open_store: Opens, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        store = open_store(lock_timeout_s=0.1)
        lease = milvus_lease.Lease(store.connection, store._records, name=store.name, wait_s=1)  # type: ignore[attr-defined]
        lease.acquire()
        milvus_lease._held.clear()  # as in the process that comes after

        store.add_texts(["two"])

        assert texts_in(store) == {"two"}

    def test_a_writer_whose_turn_ran_out_goes_on_where_nobody_wrote_meanwhile(
        self, open_store: Opens, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        store, other = open_store(), open_store()
        made = [Document("one", id="a")]
        with store.writing() as change:
            change.add += zip(made, store.embed(made), strict=True)
            monkeypatch.setattr(time, "time", lambda now=time.time: now() + 100)
        assert texts_in(store) == {"one"}
        monkeypatch.undo()

        def write_too_late() -> None:
            with store.writing() as change:
                change.delete.append("a")
                monkeypatch.setattr(time, "time", lambda now=time.time: now() + 100)
                other.add_texts(["two"])

        with pytest.raises(CollectionBusy, match="took longer than its turn"):
            write_too_late()
        monkeypatch.undo()
        assert texts_in(store) == {"one", "two"}


def _crash_before(store: Any, request: int) -> bool:
    """Make the change and stop before its n-th request; whether that came."""
    with pytest.MonkeyPatch.context() as patch:
        made = 0

        def counted(check: Any) -> Any:
            def run(lease: Any) -> None:
                nonlocal made
                if made == request:
                    raise KilledHere
                made += 1
                check(lease)

            return run

        patch.setattr(milvus_lease.Lease, "check", counted(milvus_lease.Lease.check))
        try:
            _change_everything(store)
        except KilledHere:
            return True
    return False


def _change_everything(store: Any) -> None:
    """A replaced document, a forgotten one, a new one, and a chunk of no document: all in one change."""
    replaced = a_document("d", "a.md", digest="2")
    new = StoredDocument("new", "1", "New", (Source("/files/n.md", "n.md"),))
    made = [*chunks(replaced, "new one", "new two"), *chunks(new, "fresh")]
    with store.writing() as change:
        change.forget += ["d", "gone"]
        change.delete += ["loose"]
        change.record += [replaced, new]
        change.add += zip(made, store.embed(made), strict=True)
