"""The chain that larkwise is compared with; its model is scripted."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.documents import Document
from langchain_core.vectorstores import InMemoryVectorStore, VectorStore

from chains.registry import Parts, validated
from evals import plain
from models.embeddings import EmbeddedEncoder
from tests.chains.fakes import ScriptedChatModel

TEXTS = {
    "heat": "LC-200 的工作温度为 5 到 45 °C。",
    "trial": "试用许可证有效期为 60 天。",
    "refund": "Unopened cards can be returned within 15 days.",
    "lunch": "食堂在二楼。",
}


@pytest.fixture(scope="module")
def collection() -> VectorStore:
    store = InMemoryVectorStore(EmbeddedEncoder())
    store.add_documents([Document(text, id=name, metadata={"source": name}) for name, text in TEXTS.items()])
    return store


async def asked(collection: VectorStore, question: str, said: str) -> tuple[dict[str, Any], str]:
    """The output, and the prompt that the model got."""
    model = ScriptedChatModel(script=[said])
    chain = plain.SPEC.build(Parts(model=model, collection=lambda name: collection))
    output = await chain.ainvoke(validated(plain.SPEC, {"question": question, "collection": "default"}))
    return dict(output), str(model.heard[0][0].content)


async def test_the_three_nearest_chunks_are_shown_and_told_to_the_model(collection: VectorStore) -> None:
    output, prompt = await asked(collection, "试用许可证的有效期多长？", "60 天。")

    assert output["sources"][0]["id"] == "trial"
    assert len(output["sources"]) == 3
    assert all(source["content"] in prompt for source in output["sources"])
    assert (output["answer"], output["refused"], output["confidence"]) == ("60 天。", False, 0.8)


async def test_what_comes_is_what_the_chain_rag_would_say(collection: VectorStore) -> None:
    output, _ = await asked(collection, "试用许可证的有效期多长？", "60 天。")

    assert plain.SPEC.output.model_validate(output).model_dump() == output
    assert output["citations"] == []


@pytest.mark.parametrize(
    ("question", "said", "language"),
    [
        ("谁赢了决赛？", "根据现有资料无法回答此问题。", "请根据以下参考资料回答问题"),
        ("Who won the final?", "The documents do not answer this question.", "Answer the question from the reference"),
    ],
)
async def test_it_is_asked_and_refuses_in_the_questions_language(
    collection: VectorStore, question: str, said: str, language: str
) -> None:
    output, prompt = await asked(collection, question, said)

    assert prompt.startswith(language)
    assert output["refused"] is True


async def test_an_empty_collection_gives_no_confidence() -> None:
    output, _ = await asked(InMemoryVectorStore(EmbeddedEncoder()), "谁？", "不知道。")
    assert (output["sources"], output["confidence"]) == ([], 0.0)
