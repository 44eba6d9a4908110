"""Our contract for FAISS."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ingest.stores.faiss import FaissStore
from tests.ingest.fakes import HashEmbeddings
from tests.ingest.stores.contract import Opens, StoreContract


class TestFaiss(StoreContract):
    @pytest.fixture
    def open_store(self, tmp_path: Path) -> Opens:
        def opened(name: str = "contract", *, embedding_name: str = "hash", **options: Any) -> FaissStore:
            embedding = options.pop("embedding", None) or HashEmbeddings()
            return FaissStore(tmp_path / name, embedding, embedding_name=embedding_name, **options)

        return opened
