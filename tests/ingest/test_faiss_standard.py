"""LangChain's own suite for vector stores."""

from __future__ import annotations

from pathlib import Path

import pytest
from langchain_core.vectorstores import VectorStore
from langchain_tests.integration_tests import VectorStoreIntegrationTests

from ingest.stores.faiss import FaissStore


class TestFaissStore(VectorStoreIntegrationTests):
    @pytest.fixture
    def vectorstore(self, tmp_path: Path) -> VectorStore:
        return FaissStore(tmp_path / "standard", self.get_embeddings(), embedding_name="deterministic")
