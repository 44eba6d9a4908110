"""The contract's assertions tell what they compared, as those of a test file do."""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite("tests.ingest.stores.contract", "tests.ingest.stores.milvus_contract")
