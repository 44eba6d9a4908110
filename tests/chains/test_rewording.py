"""A question in other words, and a second attempt at an answer that searches wider."""

from __future__ import annotations

import pytest
from langchain_core.documents import Document
from langchain_core.vectorstores import InMemoryVectorStore, VectorStore

from chains import rag
from chains.errors import InvalidInput
from chains.registry import Parts, validated
from chains.rewording import rewording, telling_words
from models.embeddings import EmbeddedEncoder
from models.errors import ModelUnavailable
from models.no_chat import NoChatModel
from tests.chains.fakes import ScriptedChatModel

ZH = "LC-200 的保修期是多久？"
EN = "Within how many days can a card be returned?"


def reworded(question: str, said: str) -> str:
    return rewording(ScriptedChatModel(script=[said])).invoke(question)


@pytest.mark.parametrize(
    ("question", "said"),
    [(ZH, "LC-200 保修多长时间？"), (EN, "What is the deadline for giving a card back?")],
)
def test_what_the_model_says_is_taken_where_it_is_the_same_question(question: str, said: str) -> None:
    assert reworded(question, said) == said


@pytest.mark.parametrize(
    "said",
    [
        "",
        ZH,
        "LC-300 保修多长时间？",  # another name
        "保修多长时间？",  # none
        "How long is the warranty of the LC-200?",  # another language
        "LC-200 的保修期是 24 个月。" * 20,  # no question of this length
    ],
)
def test_where_it_says_something_else_the_telling_words_stand_in_its_place(said: str) -> None:
    assert reworded(ZH, said) == telling_words(ZH)


def test_the_telling_words_are_without_what_makes_it_a_question() -> None:
    assert "多久" not in telling_words(ZH)
    assert "LC-200" in telling_words(ZH) or "lc-200" in telling_words(ZH)
    assert telling_words("？") == "？"


async def test_it_says_the_same_asynchronously() -> None:
    model = ScriptedChatModel(script=["LC-200 保修多长时间？"])
    assert await rewording(model).ainvoke(ZH) == "LC-200 保修多长时间？"


@pytest.fixture(scope="module")
def collection() -> VectorStore:
    store = InMemoryVectorStore(EmbeddedEncoder())
    store.add_documents(
        [
            Document("Unopened cards can be returned within 15 days for a full refund.", id="ret"),
            *(Document(f"Department {day} orders paper on day {day} of the month.", id=f"{day}") for day in range(9)),
        ]
    )
    return store


def test_a_second_attempt_asks_in_other_words_and_reads_more(collection: VectorStore) -> None:
    model = ScriptedChatModel(script=["By which day must a card go back?", "Within 15 days."])
    chain = rag.build(Parts(model=model, collection=lambda name: collection))
    first = chain.invoke({"question": EN})
    model.heard.clear()
    second = chain.invoke({"question": EN, "attempt": 1})
    assert "In other words" in str(model.heard[0])
    assert len(second["sources"]) > len(first["sources"])
    assert second["sources"][0]["id"] == "ret"


def test_a_model_that_is_busy_leaves_the_wider_search(collection: VectorStore) -> None:
    chain = rag.build(Parts(model=NoChatModel(), collection=lambda name: collection, unavailable=(ModelUnavailable,)))
    output = chain.invoke({"question": EN, "attempt": 2})
    assert output["mode"] == "extractive"
    assert "15 days" in output["answer"]


@pytest.mark.parametrize("attempt", [-1, 4, "many"])
def test_an_attempt_that_cannot_be_is_refused(attempt: object) -> None:
    with pytest.raises(InvalidInput, match="attempt"):
        validated(rag.SPEC, {"question": EN, "attempt": attempt})
