"""The rag chain on a real embedding and store; the model is scripted, so that what is said is known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from langchain_core.documents import Document
from langchain_core.vectorstores import InMemoryVectorStore, VectorStore

from chains import rag
from chains.errors import ChainError
from chains.registry import Chain, Parts
from models.embeddings import EmbeddedEncoder
from tests.chains.fakes import ScriptedChatModel

DOCUMENTS = [
    Document("LC-200 的工作温度为 5 到 45 °C。芯片达到 105 °C 时自动断电。", metadata={"title": "规格"}, id="spec"),
    Document("试用许可证有效期为 60 天，可以申请两次。", metadata={"title": "常见问题"}, id="faq"),
    Document(
        "Unopened cards can be returned within 15 days for a full refund.", metadata={"title": "Returns"}, id="ret"
    ),
]


@pytest.fixture(scope="module")
def collection() -> VectorStore:
    store = InMemoryVectorStore(EmbeddedEncoder())
    store.add_documents(DOCUMENTS)
    return store


def chain(collection: VectorStore, *script: str) -> tuple[Chain, ScriptedChatModel]:
    model = ScriptedChatModel(script=list(script))
    return rag.build(Parts(model=model, collection=lambda name: collection)), model


def ask(runnable: Chain, question: str, **more: Any) -> dict[str, Any]:
    return dict(runnable.invoke({"question": question, "collection": "default", **more}))


def test_an_answer_names_its_source_and_quotes_it(collection: VectorStore) -> None:
    runnable, _ = chain(collection, "芯片达到 105 °C 时自动断电。")
    output = ask(runnable, "芯片多少度断电？")
    assert output["answer"] == "芯片达到 105 °C 时自动断电[1]。"
    assert output["sources"][0]["id"] == "spec"
    assert output["citations"][0]["quote"] == "芯片达到 105 °C 时自动断电。"
    assert output["confidence"] > 0.5
    assert output["refused"] is False


@pytest.mark.parametrize(
    ("question", "refusal"),
    [
        ("公司的食堂几点开饭？", "根据现有资料无法回答此问题"),
        ("Who won the football championship?", "The documents do not answer this question."),
    ],
)
def test_a_question_far_from_all_documents_is_refused_without_asking_the_model(
    collection: VectorStore, question: str, refusal: str
) -> None:
    runnable, model = chain(collection, "八点[1]。")
    output = ask(runnable, question)
    assert output["answer"].startswith(refusal)
    assert (output["refused"], output["mode"], output["citations"]) == (True, "refused", [])
    assert output["confidence"] < 0.1
    assert model.heard == []


def test_a_refusal_of_the_model_is_one_in_the_output_too(collection: VectorStore) -> None:
    output = ask(chain(collection, "根据现有资料无法回答此问题。")[0], "试用许可证有效期多长？")
    assert output["refused"] is True
    assert output["answer"].startswith("根据现有资料无法回答此问题")


def test_a_refusal_names_what_is_nearest(collection: VectorStore) -> None:
    chinese = ask(chain(collection, "")[0], "试用期的员工可以休年假吗？")
    assert "最接近的内容见：" in chinese["answer"]
    assert "《常见问题》" in chinese["answer"]
    english = ask(chain(collection, "")[0], "Who won the refund championship?")
    assert 'The nearest passages are in "' in english["answer"]


def test_an_answer_that_no_source_supports_is_worth_less(collection: VectorStore) -> None:
    question = "试用许可证有效期多长？"
    supported = ask(chain(collection, "有效期为 60 天。")[0], question)
    invented = ask(chain(collection, "有效期为 90 天。")[0], question)
    assert "[?]" in invented["answer"]
    assert [citation["supported"] for citation in invented["citations"]] == [False]
    assert invented["confidence"] < supported["confidence"]


def test_the_pieces_of_a_stream_sum_to_the_answer(collection: VectorStore) -> None:
    runnable, _ = chain(collection, "芯片达到 105 °C 时自动断电。工作温度为 5 到 45 °C。")
    pieces = list(runnable.stream({"question": "芯片多少度断电？"}))
    whole = ask(runnable, "芯片多少度断电？")
    assert set(pieces[0]) == {"answer_id", "standalone_question", "sources"}
    assert set(pieces[-1]) == {"citations", "confidence", "refused", "mode", "signals"}
    assert sum("answer" in piece for piece in pieces) > 3
    assert "".join(piece.get("answer", "") for piece in pieces) == whole["answer"]


async def test_it_says_the_same_asynchronously(collection: VectorStore) -> None:
    runnable, _ = chain(collection, "有效期为 60 天。")
    question = {"question": "试用许可证有效期多长？"}
    pieces = [piece async for piece in runnable.astream(question)]
    output = await runnable.ainvoke(question)
    assert "".join(piece.get("answer", "") for piece in pieces) == output["answer"] == "有效期为 60 天[1]。"


def test_a_follow_up_is_searched_with_what_it_leans_on(collection: VectorStore) -> None:
    runnable, _ = chain(collection, "105 °C。")
    history = [{"question": "LC-200 的工作温度是多少？", "answer": "5 到 45 °C"}]
    output = ask(runnable, "那它什么时候断电？", history=history)
    assert output["standalone_question"] == "LC-200 什么时候断电？"
    assert output["sources"][0]["id"] == "spec"


def test_an_english_question_about_a_chinese_document_finds_it(collection: VectorStore) -> None:
    output = ask(chain(collection, "60 天。")[0], "How long is the trial licence valid?")
    assert "faq" in [source["id"] for source in output["sources"][:2]]


def test_an_error_of_the_collection_reaches_the_caller() -> None:
    def missing(name: str) -> VectorStore:
        raise ChainError(f"no {name}")

    runnable = rag.build(Parts(model=ScriptedChatModel(script=["x"]), collection=missing))
    with pytest.raises(ChainError, match="no default"):
        runnable.invoke({"question": "?"})


def test_where_nothing_is_ingested_it_refuses(tmp_path: Path) -> None:
    empty = InMemoryVectorStore(EmbeddedEncoder())
    output = ask(chain(empty, "x")[0], "芯片多少度断电？")
    assert (output["refused"], output["confidence"], output["sources"]) == (True, 0.0, [])
