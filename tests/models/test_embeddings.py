from __future__ import annotations

import math
from pathlib import Path

import pytest

from models.embeddings import EmbeddedEncoder, load_sentence_transformer
from models.errors import WeightsInvalid
from models.weights import WeightsStore


def cosine(a: list[float], b: list[float]) -> float:
    return sum(x * y for x, y in zip(a, b, strict=True))


def length(vector: list[float]) -> float:
    return math.sqrt(cosine(vector, vector))


def test_the_embedded_encoder_is_near_where_meaning_is_in_and_across_languages() -> None:
    question, same, other, english = EmbeddedEncoder().embed_documents(
        [
            "显卡的工作温度是多少？",
            "显卡可以在多少度下工作",
            "公司明天放假",
            "What is the card's operating temperature?",
        ]
    )
    assert len(question) == 512
    assert length(question) == pytest.approx(1, abs=1e-4)
    assert cosine(question, same) > cosine(question, other) + 0.2
    assert cosine(question, english) > cosine(question, other) + 0.2


def test_nothing_is_embedded_to_nothing() -> None:
    assert EmbeddedEncoder().embed_documents([]) == []


def test_hugging_face_embeddings_come_with_unit_length(weights: WeightsStore) -> None:
    embeddings = load_sentence_transformer(weights.ensure("all-minilm-l6-v2"))
    assert type(embeddings).__name__ == "HuggingFaceEmbeddings"
    question, same, other = embeddings.embed_documents(["How do I return a card?", "Sending a card back", "It rains"])
    assert len(question) == 384
    assert length(question) == pytest.approx(1, abs=1e-4)
    assert cosine(question, same) > cosine(question, other) + 0.2


def test_a_folder_without_an_embedding_model_is_told(tmp_path: Path) -> None:
    with pytest.raises(WeightsInvalid, match="does not hold an embedding model"):
        load_sentence_transformer(tmp_path)
