"""Retrieval over real stores and a real embedding; and over a store that has no index of words."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from langchain_core.callbacks import Callbacks
from langchain_core.documents import Document
from langchain_core.documents.compressor import BaseDocumentCompressor
from langchain_core.vectorstores import InMemoryVectorStore, VectorStore

from chains.ranking import MATCH
from chains.retrieval import HybridSearch, as_source, retrieve
from ingest.stores.faiss import FaissStore
from models.embeddings import EmbeddedEncoder

DOCUMENTS = [
    Document("LC-200 的工作温度为 5 到 45 °C。芯片达到 105 °C 时自动断电。", metadata={"title": "规格"}, id="spec"),
    Document("试用许可证有效期为 60 天，可以申请两次。", metadata={"title": "常见问题", "team": "sales"}, id="faq"),
    Document("年假按照司龄计算，满一年的员工每年十五天。", metadata={"title": "假期", "team": "hr"}, id="leave"),
    Document(
        "Unopened cards can be returned within 15 days for a full refund.", metadata={"title": "Returns"}, id="ret"
    ),
    Document("The cafeteria opens at eight and closes at six.", metadata={"title": "Office"}, id="cafe"),
]


@pytest.fixture(scope="module", params=["with an index of words", "without"])
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> VectorStore:
    encoder = EmbeddedEncoder()
    made: VectorStore = InMemoryVectorStore(encoder)
    if request.param == "with an index of words":
        made = FaissStore(tmp_path_factory.mktemp("store"), encoder, embedding_name="use")
        assert isinstance(made, HybridSearch)
    made.add_documents(DOCUMENTS)
    return made


@pytest.mark.parametrize(
    ("question", "id"),
    [
        ("芯片多少度自动断电？", "spec"),
        ("试用许可证可以用多久？", "faq"),
        ("Within how many days can I return a card?", "ret"),
        ("When does the cafeteria open?", "cafe"),
    ],
)
def test_the_chunk_that_answers_comes_first(store: VectorStore, question: str, id: str) -> None:
    found = retrieve(store, question)
    assert found.found[0].document.id == id
    assert found.answerable > 0.5


def test_a_question_in_the_other_language_finds_its_chunk_by_meaning(store: VectorStore) -> None:
    found = retrieve(store, "How many days of annual leave do employees get?")
    assert "leave" in [one.document.id for one in found.found[:2]]


def test_what_the_documents_do_not_answer_is_less_probable_than_what_they_do(store: VectorStore) -> None:
    known, unknown = retrieve(store, "试用许可证有效期多长？"), retrieve(store, "明天上海会下雨吗？")
    assert unknown.answerable < 0.2 < known.answerable


def test_scores_fall_from_the_probability_that_there_is_an_answer(store: VectorStore) -> None:
    found = retrieve(store, "试用许可证有效期多长？")
    scores = [one.score for one in found.found if "有效期" in one.document.page_content or one.cosine]
    assert scores[0] == pytest.approx(found.answerable)
    assert as_source(found.found[0])["score"] == round(found.answerable, 4)


def test_the_same_question_finds_the_same_in_the_same_order(store: VectorStore) -> None:
    question = "How long can I return a card?"
    first, second = ([(one.document.id, one.score) for one in retrieve(store, question).found] for _ in range(2))
    assert first == second


@pytest.mark.parametrize(
    "question", ["？！……", "'; DROP TABLE chunks; --", "Ω≈ç√∫", "ありがとうございます", "x" * 2000]
)
def test_noise_is_no_error_and_finds_nothing_probable(store: VectorStore, question: str) -> None:
    assert retrieve(store, question).answerable < 0.5


def test_an_empty_collection_finds_nothing(tmp_path: Path) -> None:
    found = retrieve(FaissStore(tmp_path, EmbeddedEncoder(), embedding_name="use"), "年假几天？")
    assert (found.found, found.answerable) == ((), 0.0)


def test_only_chunks_that_the_filter_lets_through_are_found(tmp_path: Path) -> None:
    store = FaissStore(tmp_path, EmbeddedEncoder(), embedding_name="use")
    store.add_documents(DOCUMENTS)
    found = retrieve(store, "年假几天？试用许可证多久？", filter={"team": "sales"})
    assert [one.document.id for one in found.found] == ["faq"]


def test_the_same_text_comes_once(tmp_path: Path) -> None:
    store = FaissStore(tmp_path, EmbeddedEncoder(), embedding_name="use")
    store.add_documents([*DOCUMENTS, Document(DOCUMENTS[1].page_content + "\n", metadata={"title": "副本"}, id="copy")])
    texts = [one.document.page_content.strip() for one in retrieve(store, "试用许可证有效期多长？").found]
    assert len(texts) == len(set(texts))


class Backwards(BaseDocumentCompressor):
    """Turns the order round, and forgets the last."""

    def compress_documents(
        self, documents: Sequence[Document], query: str, callbacks: Callbacks | None = None
    ) -> Sequence[Document]:
        return [Document(one.page_content, metadata=one.metadata) for one in reversed(documents)][:-1]


def test_any_document_compressor_may_rank(store: VectorStore) -> None:
    ranked = retrieve(store, "试用许可证有效期多长？", ranker=Backwards())
    own = retrieve(store, "试用许可证有效期多长？")
    assert len(ranked.found) < len(own.found)
    assert ranked.answerable == own.answerable
    assert all(MATCH not in one.document.metadata for one in ranked.found)
