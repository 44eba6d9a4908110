"""Our contract, and LangChain's, for Milvus Lite."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
import textwrap
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from langchain_core.vectorstores import VectorStore
from langchain_tests.integration_tests import VectorStoreIntegrationTests

from ingest.errors import CollectionBusy, MilvusNotInstalled, StorageFull, StoreUnavailable
from ingest.stores.milvus import MilvusStore
from ingest.stores.milvus_collections import collection_names
from ingest.stores.milvus_connection import MilvusConnection
from tests.ingest.fakes import HashEmbeddings
from tests.ingest.stores.contract import a_document, put, texts_in
from tests.ingest.stores.milvus_contract import MilvusContract

pytest.importorskip("pymilvus", reason="the extra milvus is not installed")
pytest.importorskip("milvus_lite", reason="the extra milvus is not installed")


@pytest.fixture(scope="module")
def lite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MilvusConnection]:
    """One file for all: each test has collections of its own in it."""
    connection = MilvusConnection(str(tmp_path_factory.mktemp("milvus") / "new" / "knowledge.db"))
    yield connection
    connection.close()


class TestMilvusLite(MilvusContract):
    @pytest.fixture
    def connection(self, lite: MilvusConnection) -> MilvusConnection:
        return lite


class TestMilvusLiteForLangChain(VectorStoreIntegrationTests):
    @pytest.fixture
    def vectorstore(self, lite: MilvusConnection) -> VectorStore:
        name = f"standard{uuid.uuid4().hex[:8]}"
        return MilvusStore(lite, name, self.get_embeddings(), embedding_name="deterministic")


def test_from_texts_needs_to_know_where(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="uri="):
        MilvusStore.from_texts(["one"], HashEmbeddings())

    store = MilvusStore.from_texts(["one"], HashEmbeddings(), [{"n": 1}], ids=["a"], uri=str(tmp_path / "m.db"))

    assert store.get_by_ids(["a"])[0].metadata == {"n": 1}
    store.connection.close()


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)

    with pytest.raises(MilvusNotInstalled, match=r"pip install 'larkwise\[milvus\]'"):
        MilvusConnection("http://127.0.0.1:19530")


def test_a_variable_that_pymilvus_cannot_bear_is_named() -> None:
    code = "from ingest.stores.milvus_connection import *; MilvusConnection('http://127.0.0.1:19530')"

    run = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | {"MILVUS_URI": "./m.db"}, capture_output=True, text=True
    )

    assert "StoreUnavailable: pymilvus cannot be loaded" in run.stderr
    assert "it reads the environment variable MILVUS_URI by itself. Unset that" in run.stderr


def test_a_server_that_is_not_there_is_told_in_time() -> None:
    with pytest.raises(StoreUnavailable, match=r"127\.0\.0\.1:9 does not answer.*LARKWISE_MILVUS_URI"):
        MilvusConnection("http://someone:secret@127.0.0.1:9", timeout_s=1)


def test_what_is_no_address_is_told() -> None:
    with pytest.raises(StoreUnavailable, match=r"neither an address.*nor the path"):
        MilvusConnection("127.0.0.1:19530")


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")

    with pytest.raises(StorageFull, match="LARKWISE_DATA_DIR"):
        MilvusConnection(str(tmp_path / "file" / "m.db"))


def run_python(code: str, *arguments: str) -> subprocess.Popen[str]:
    """In a process of its own; it says "ready" when it is."""
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), *arguments], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


WRITES_AND_WAITS = """
    import sys, time
    from ingest.stores.milvus import MilvusStore
    from ingest.stores.milvus_connection import MilvusConnection
    from tests.ingest.fakes import HashEmbeddings
    from tests.ingest.stores.contract import a_document, put

    store = MilvusStore(MilvusConnection(sys.argv[1]), "c", HashEmbeddings(), embedding_name="hash")
    put(store, a_document("d", "a.md"), "one", "two")
    with store.writing():
        print("ready", flush=True)
        time.sleep(100)
"""


def test_the_file_belongs_to_one_process_and_survives_its_being_killed(tmp_path: Path) -> None:
    path = str(tmp_path / "m.db")
    process = run_python(WRITES_AND_WAITS, path)
    try:
        with pytest.raises(CollectionBusy, match=r"another process has .*m\.db open"):
            MilvusConnection(path)
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()

    connection = MilvusConnection(path)
    store = MilvusStore(connection, "c", HashEmbeddings(), embedding_name="hash", lock_timeout_s=0.1)
    assert collection_names(connection) == ["c"]
    assert texts_in(store) == {"one", "two"}
    put(store, a_document("d", "a.md", digest="2"), "three")  # its turn to write died with it
    assert texts_in(store) == {"three"}
    connection.close()
