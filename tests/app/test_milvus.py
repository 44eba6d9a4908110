"""The settings' other vector store, through the same doors."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from app.ingestion import ingest_paths
from app.routes.collections import CollectionsSeen
from app.services import open_collections, open_weights
from app.settings import Settings
from ingest.errors import NotSupported, UnknownCollection
from ingest.stores.milvus_connection import is_installed
from tests.app.test_cli import larkwise

pytestmark = pytest.mark.skipif(not is_installed(), reason="needs the extra milvus")


@pytest.fixture
def on_milvus(settings: Settings, tmp_path: Path) -> Settings:
    return settings.model_copy(update={"vector_store": "milvus", "data_dir": tmp_path})


def test_documents_go_into_milvus_and_are_found_there(on_milvus: Settings, tmp_path: Path) -> None:
    folder = tmp_path / "documents"
    folder.mkdir()
    (folder / "leave.md").write_text("# Leave\n\nParental leave is 98 days.\n")
    report = ingest_paths(on_milvus, [folder], "hr")
    assert (report.added, report.failed) == (("leave.md",), ())
    assert ingest_paths(on_milvus, [folder], "hr").unchanged == ("leave.md",)
    collections = open_collections(on_milvus, open_weights(on_milvus))
    try:
        assert collections.names() == ["hr"]
        assert "98 days" in collections.open("hr").similarity_search("parental leave", k=1)[0].page_content
        assert collections.describe("hr").index == "ivf_flat"
        with pytest.raises(NotSupported, match="FAISS"):
            collections.verify("hr")
        collections.delete("hr")
        with pytest.raises(UnknownCollection):
            collections.open("hr")
    finally:
        collections.close()
    assert not (tmp_path / "collections").exists()


def test_a_server_that_is_not_there_is_told_in_a_sentence(settings: Settings, tmp_path: Path) -> None:
    done = larkwise(
        settings,
        "collections",
        "list",
        "--json",
        LARKWISE_VECTOR_STORE="milvus",
        LARKWISE_MILVUS_URI="http://127.0.0.1:1",
        LARKWISE_DATA_DIR=str(tmp_path),
    )
    assert done.returncode == 1
    assert "LARKWISE_MILVUS_URI" in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == "" or json.loads(done.stdout)


def test_a_collection_whose_size_nobody_knows_is_listed_all_the_same(on_milvus: Settings) -> None:
    collections = open_collections(on_milvus, open_weights(on_milvus))
    try:
        collections.create("empty")
        seen = CollectionsSeen(collections=[collections.describe("empty")], unusable={})
    finally:
        collections.close()
    assert json.loads(seen.model_dump_json())["collections"][0]["bytes"] is None
