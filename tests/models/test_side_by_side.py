"""Two embeddings side by side, on the real ones."""

from __future__ import annotations

import numpy as np
import pytest
from langchain_core.embeddings import Embeddings

from app.services import embedding_fingerprint, open_embeddings, open_weights
from app.settings import Settings
from models.errors import UnknownModel
from models.side_by_side import is_latin, parts

PAIR = "use-multilingual-v3+all-minilm-l6-v2"


@pytest.fixture(scope="module")
def pair() -> Embeddings:
    return open_embeddings(PAIR, open_weights(Settings()))


def test_every_vector_has_length_one_and_both_parts(pair: Embeddings) -> None:
    vectors = np.array(pair.embed_documents(["The warranty lasts two years.", "保修期为两年。"]))
    assert vectors.shape == (2, 512 + 384)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1.0, abs=1e-5)
    assert np.any(vectors[0, 512:])
    assert not np.any(vectors[1, 512:])


def test_texts_are_compared_across_languages(pair: Embeddings) -> None:
    asked = np.array(pair.embed_query("How long is the warranty?"))
    near, far = np.array(pair.embed_documents(["保修期为两年。", "食堂六点关门。"]))
    assert asked @ near > asked @ far


def test_the_second_model_tells_english_texts_apart_better_than_the_first_alone(pair: Embeddings) -> None:
    asked = np.array(pair.embed_query("Who may enter the server room?"))
    near, far = np.array(
        pair.embed_documents(["Access to the data centre is limited to operators.", "The room has a new carpet."])
    )
    assert asked @ near > asked @ far


def test_many_texts_give_the_vectors_that_one_gives(pair: Embeddings) -> None:
    texts = [f"Sentence number {number} is about warranties and returns." for number in range(20)]
    many, one = np.array(pair.embed_documents(texts)), np.array(pair.embed_query(texts[7]))
    assert many[7] @ one > 0.997


@pytest.mark.parametrize(
    ("text", "latin"),
    [
        ("LC-200 的工作温度", False),
        ("What does the word 保修 mean here?", True),
        ("？！", False),
        ("", False),
        ("ありがとう", False),
    ],
)
def test_what_counts_as_a_text_in_latin_letters(text: str, latin: bool) -> None:
    assert is_latin(text) is latin


def test_the_hash_of_a_pair_is_neither_ones() -> None:
    weights = open_weights(Settings())
    hashes = {embedding_fingerprint(name, weights) for name in (PAIR, *parts(PAIR))}
    assert len(hashes) == 3


@pytest.mark.parametrize("name", ["a+b+c", "a+", "+"])
def test_a_name_of_three_or_of_none_is_refused(name: str) -> None:
    with pytest.raises(UnknownModel, match="one name, or two"):
        parts(name)
