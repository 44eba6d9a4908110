"""A cross-encoder as a LangChain compressor: a tiny one with made-up weights, so what it prefers does not matter."""

from __future__ import annotations

from pathlib import Path

import pytest
from langchain_core.documents import Document
from langchain_core.documents.compressor import BaseDocumentCompressor
from transformers import BertConfig, BertForSequenceClassification, BertTokenizer

from app.services import open_ranker, open_weights
from app.settings import Settings
from chains.ranking import LearnedRanker
from models.errors import WeightsInvalid
from models.reranker import load_cross_encoder

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "how", "long", "is", "the", "warranty", "two", "years", "eight"]
DOCUMENTS = [
    Document("the cafeteria opens at eight", id="cafe", metadata={"n": 1}),
    Document("the warranty is two years", id="warranty", metadata={"n": 2}),
    Document("eight years", id="years"),
]


def a_cross_encoder(folder: Path, *, labels: int) -> Path:
    folder.mkdir()
    (folder / "words.txt").write_text("\n".join(WORDS), encoding="utf-8")
    BertTokenizer(str(folder / "words.txt")).save_pretrained(folder)
    config = BertConfig(
        vocab_size=len(WORDS),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
    )
    config.num_labels = labels
    BertForSequenceClassification(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def ranker(tmp_path_factory: pytest.TempPathFactory) -> BaseDocumentCompressor:
    folder = a_cross_encoder(tmp_path_factory.mktemp("models") / "tiny", labels=1)
    settings = Settings(reranker_model=str(folder))
    return open_ranker(settings, open_weights(settings))


def test_all_come_back_in_the_order_of_their_scores(ranker: BaseDocumentCompressor) -> None:
    question = "how long is the warranty"
    found = ranker.compress_documents(DOCUMENTS, question)
    scores = {
        str(one.id): float(ranker.model.predict([(question, one.page_content)])[0])  # type: ignore[attr-defined]
        for one in DOCUMENTS
    }
    assert [one.id for one in found] == sorted(scores, key=lambda id: -scores[id])
    assert {one.id: one.metadata for one in found}["warranty"] == {"n": 2}


def test_nothing_in_nothing_out(ranker: BaseDocumentCompressor) -> None:
    assert ranker.compress_documents([], "how long") == []


def test_without_a_name_the_ranker_is_the_one_that_ships() -> None:
    assert isinstance(open_ranker(Settings(), open_weights(Settings())), LearnedRanker)


def test_a_model_with_several_numbers_a_pair_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsInvalid, match="gives 3 numbers a pair"):
        load_cross_encoder(a_cross_encoder(tmp_path / "three", labels=3))


def test_a_folder_without_a_model_is_told(tmp_path: Path) -> None:
    with pytest.raises(WeightsInvalid, match="does not hold a cross-encoder"):
        load_cross_encoder(tmp_path)
