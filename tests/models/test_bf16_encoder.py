from __future__ import annotations

import numpy as np
import pytest

from models.bf16_encoder import is_worth_it
from models.embeddings import EmbeddedEncoder

TEXTS = ["The gateway restarts.", "年假为每年十五天。", "x", "Mixed 中英文 text with 42 numbers. " * 20] * 6


@pytest.mark.skipif(not is_worth_it(), reason="this processor has no bfloat16 products")
def test_many_texts_get_the_vectors_that_each_gets_alone() -> None:
    together = np.array(EmbeddedEncoder().embed_documents(TEXTS))
    alone = np.array([EmbeddedEncoder(allow_bf16=False).embed_query(text) for text in TEXTS[:4]])
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=1e-4)
    assert (together[:4] * alone).sum(axis=1).min() > 0.9999
    np.testing.assert_allclose(together[:4], together[4:8], atol=1e-4)
