"""
Our contract, and LangChain's, for a Milvus server, where one can be started.

The package "milvus" (2.3.5; 447 MB) is in no extra. Put it into a virtual environment of its own and say where:

    MILVUS_PYTHON=/path/to/that/bin/python pytest -m slow tests/ingest/stores/test_milvus_server.py

It takes a quarter of an hour: such a server needs 2 s to load an empty collection, and 0.2 s for each strong reading.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import pytest
from langchain_core.vectorstores import VectorStore
from langchain_tests.integration_tests import VectorStoreIntegrationTests

from ingest.errors import StoreUnavailable
from ingest.stores.milvus import MilvusStore
from ingest.stores.milvus_connection import MilvusConnection
from tests.ingest.fakes import HashEmbeddings
from tests.ingest.stores.contract import a_document, put, texts_in
from tests.ingest.stores.milvus_contract import MilvusContract

pytest.importorskip("pymilvus", reason="the extra milvus is not installed")

pytestmark = pytest.mark.slow
STARTING_S = 180


@pytest.fixture(scope="module")
def server_python() -> str:
    """A Python that can start a server here."""
    python = os.environ.get("MILVUS_PYTHON", sys.executable)
    found = subprocess.run([python, "-c", "import milvus"], capture_output=True, check=False)
    if found.returncode:
        pytest.skip("no Milvus server: the package milvus is neither installed here nor in MILVUS_PYTHON")
    if subprocess.run([*in_a_namespace(), "true"], capture_output=True, check=False).returncode:
        pytest.skip("no Milvus server: network namespaces cannot be made here")
    return python


@pytest.fixture
def folder() -> Iterator[Path]:
    """Of a short name: a Unix socket's may not be long."""
    with tempfile.TemporaryDirectory(prefix="milvus-") as name:
        yield Path(name)


@pytest.fixture(scope="module")
def server(server_python: str) -> Iterator[MilvusConnection]:
    with tempfile.TemporaryDirectory(prefix="milvus-") as name, running_server(server_python, Path(name)) as running:
        connection = MilvusConnection(running.uri)
        yield connection
        connection.close()


class TestMilvusServer(MilvusContract):
    @pytest.fixture
    def connection(self, server: MilvusConnection) -> MilvusConnection:
        return server


class TestMilvusServerForLangChain(VectorStoreIntegrationTests):
    @pytest.fixture
    def vectorstore(self, server: MilvusConnection) -> VectorStore:
        name = f"standard{uuid.uuid4().hex[:8]}"
        return MilvusStore(server, name, self.get_embeddings(), embedding_name="deterministic")


def test_a_server_that_is_killed_is_told_and_loses_nothing(server_python: str, folder: Path) -> None:
    with running_server(server_python, folder) as running:
        connection = MilvusConnection(running.uri, timeout_s=20)
        store = MilvusStore(connection, "c", HashEmbeddings(), embedding_name="hash")
        put(store, a_document("d", "a.md"), *(f"text {n}" for n in range(300)))
        running.kill()
    with pytest.raises(StoreUnavailable, match="does not answer"):
        store.similarity_search("text 1")
    with pytest.raises(StoreUnavailable, match="does not answer"):
        store.add_texts(["lost"])

    with running_server(server_python, folder) as running:
        fresh = when_it_answers(
            lambda: MilvusStore(MilvusConnection(running.uri), "c", HashEmbeddings(), embedding_name="hash")
        )
        assert len(when_it_answers(lambda: texts_in(fresh))) == fresh.count() == 300
        assert store.similarity_search("text 7", k=1)[0].page_content == "text 7"  # the old one finds back
        put(store, a_document("d", "a.md", digest="2"), "new")
        assert texts_in(fresh) == {"new"}


T = TypeVar("T")


def when_it_answers(ask: Callable[[], T]) -> T:
    """A server that was started says that it is ready before it has its collections."""
    give_up = time.monotonic() + STARTING_S
    while True:
        try:
            return ask()
        except StoreUnavailable:
            if time.monotonic() > give_up:
                raise
            time.sleep(0.5)


@dataclass(frozen=True, slots=True)
class Running:
    uri: str
    process: subprocess.Popen[bytes]

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@contextmanager
def running_server(python: str, folder: Path) -> Iterator[Running]:
    """One whose data and socket are in the folder."""
    path = folder / "socket"
    path.unlink(missing_ok=True)
    script = Path(__file__).with_name("milvus_namespace.py")
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [*in_a_namespace(), python, str(script), str(folder / "data"), str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
        )
    assert process.stdin is not None
    assert process.stdout is not None
    too_late = threading.Timer(STARTING_S, process.kill)
    too_late.start()
    try:
        if process.stdout.readline() != b"ready\n":
            pytest.skip(f"no Milvus server: it did not start ({(folder / 'log').read_text()[-500:]})")
        too_late.cancel()
        yield Running(f"unix:{path}", process)
    finally:
        too_late.cancel()
        process.stdin.close()
        process.wait(timeout=60)
        process.stdout.close()


def in_a_namespace() -> list[str]:
    if not shutil.which("unshare"):
        return ["false"]
    own_user = [] if os.geteuid() == 0 else ["--map-root-user"]
    # with processes of its own too: all of them die with the first, however that ends
    return ["unshare", "--net", "--pid", "--fork", "--kill-child", "--mount-proc", *own_user]
