"""Answers without a model: as it was asked for, or because it is busy."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.documents import Document
from langchain_core.messages import AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGenerationChunk
from langchain_core.vectorstores import InMemoryVectorStore, VectorStore

from chains import rag
from chains.answer_settings import AnswerSettings, Mode
from chains.registry import Chain, Parts
from models.embeddings import EmbeddedEncoder
from tests.chains.fakes import ScriptedChatModel

DOCUMENTS = [
    Document("试用许可证有效期为 60 天。可以申请两次。请联系销售。", metadata={"title": "常见问题"}, id="faq"),
    Document("LC-200 的工作温度为 5 到 45 °C。", metadata={"title": "规格"}, id="spec"),
]
QUESTION = "试用许可证有效期多长？"


class Busy(Exception):
    """Too many wait already."""


class BusyModel(ScriptedChatModel):
    """Says the first `words` of its script, and is then too busy."""

    words: int = 0

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        if self.words:
            yield ChatGenerationChunk(message=AIMessageChunk(content=self.script[0][: self.words]))
        raise Busy("4 requests are waiting already")


@pytest.fixture(scope="module")
def collection() -> VectorStore:
    store = InMemoryVectorStore(EmbeddedEncoder())
    store.add_documents(DOCUMENTS)
    return store


def chain(collection: VectorStore, model: ScriptedChatModel, mode: Mode) -> Chain:
    return rag.build(
        Parts(
            model=model,
            collection=lambda name: collection,
            answers=AnswerSettings(mode=mode),
            unavailable=(Busy,),
        )
    )


def ask(runnable: Chain, question: str = QUESTION) -> dict[str, Any]:
    return dict(runnable.invoke({"question": question}))


def test_an_extractive_answer_is_a_sentence_of_a_source_and_asks_no_model(collection: VectorStore) -> None:
    model = ScriptedChatModel(script=["九十天。"])
    output = ask(chain(collection, model, "extractive"))
    assert output["answer"] == "试用许可证有效期为 60 天[1]。"
    assert (output["mode"], output["refused"], model.heard) == ("extractive", False, [])
    (citation,) = output["citations"]
    assert output["sources"][0]["content"][citation["start"] : citation["end"]] == citation["quote"]


def test_where_the_model_is_busy_sentences_of_the_sources_answer(collection: VectorStore) -> None:
    output = ask(chain(collection, BusyModel(script=[""]), "auto"))
    assert output["mode"] == "extractive"
    assert "60 天" in output["answer"]


async def test_so_it_is_for_an_asynchronous_door(collection: VectorStore) -> None:
    output = await chain(collection, BusyModel(script=[""]), "auto").ainvoke({"question": QUESTION})
    assert (output["mode"], output["refused"]) == ("extractive", False)


def test_where_only_a_written_answer_is_wanted_its_error_is_the_answer(collection: VectorStore) -> None:
    with pytest.raises(Busy, match="waiting already"):
        ask(chain(collection, BusyModel(script=[""]), "generated"))


def test_an_answer_that_was_begun_is_not_replaced(collection: VectorStore) -> None:
    model = BusyModel(script=["试用许可证有效期为 60 天。可以"], words=18)
    with pytest.raises(Busy):
        ask(chain(collection, model, "auto"))


def test_a_follow_up_is_rewritten_by_rule_where_the_model_is_busy(collection: VectorStore) -> None:
    history = [{"question": "试用许可证有效期多长？", "answer": "60 天。"}]
    output = dict(
        chain(collection, BusyModel(script=[""]), "auto").invoke({"question": "它可以申请几次？", "history": history})
    )
    assert output["mode"] == "extractive"
    assert "许可证" in output["standalone_question"]


def test_what_the_documents_do_not_answer_is_refused_in_every_mode(collection: VectorStore) -> None:
    for mode in ("extractive", "auto", "generated"):
        output = ask(chain(collection, ScriptedChatModel(script=["八点。"]), mode), "食堂几点开饭？")
        assert (output["refused"], output["citations"]) == (True, [])
