"""Answers from a collection of documents: retrieve, gate, prompt, model, citations."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Annotated, Any

from langchain_core.language_models import BaseChatModel
from langchain_core.output_parsers import StrOutputParser
from langchain_core.runnables import (
    Runnable,
    RunnableGenerator,
    RunnableLambda,
    RunnablePassthrough,
)
from langchain_core.runnables.utils import AddableDict
from langchain_core.vectorstores import VectorStore
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator

from chains import confidence, retrieval
from chains.answers import Citation, Source
from chains.composing import Composer
from chains.confidence import Calibration
from chains.language import language_of
from chains.prompts import REFUSALS, passages, rag_prompt
from chains.registry import Chain, ChainSpec, Parts
from chains.rewriting import standalone_question

MAX_QUESTION = 2048


SessionId = Annotated[str, BeforeValidator(lambda value: "" if value is None else value)]
"""May be left out, empty or null; a plain string in the schema, since the playground cannot show a choice of types."""


class Question(BaseModel):
    """A question in the asker's own words."""

    model_config = ConfigDict(extra="forbid")

    question: str = Field(max_length=MAX_QUESTION, description="The question, at most 2048 characters")
    collection: str = Field("default", description="The set of documents to answer from")
    session_id: SessionId = Field("", max_length=128, description="Keeps a conversation's turns together")

    @field_validator("question")
    @classmethod
    def _not_blank(cls, question: str) -> str:
        if not question.strip():
            raise ValueError("the question is empty: write what you want to know")
        return question.strip()


class RagOutput(BaseModel):
    """The answer with what it rests on; see `chains.answers.Answer`."""

    answer_id: str
    answer: str
    standalone_question: str
    sources: list[Source]
    citations: list[Citation]
    confidence: float
    refused: bool


def build(parts: Parts) -> Chain:
    """
    The chain from a `Question`'s fields to an `Answer`, streamed in pieces whose sum is the whole.

    First come the sources, then the answer's text as the model writes it, then citations and confidence.
    """
    chain: Chain = (
        RunnablePassthrough.assign(standalone_question=RunnableLambda(_standalone))
        | RunnablePassthrough.assign(found=RunnableLambda(_retriever(parts.collection)))
        | RunnableGenerator(_answers(parts.model), _async_answers(parts.model))
    )
    return chain


SPEC = ChainSpec(
    name="rag",
    input=Question,
    output=RagOutput,
    build=build,
    description="Answers from your documents, with sources",
)


def _standalone(value: dict[str, Any]) -> str:
    return standalone_question(value["question"], value.get("history") or [])


def _retriever(collection: Callable[[str], VectorStore]) -> Callable[[dict[str, Any]], list[retrieval.Found]]:
    def found(value: dict[str, Any]) -> list[retrieval.Found]:
        return retrieval.retrieve(collection(value.get("collection") or "default"), value["standalone_question"])

    return found


class _Answering:
    """One question on its way to an answer; what is the same whether the model streams sync or async."""

    def __init__(self, value: dict[str, Any]) -> None:
        self._question: str = value["question"]
        self._standalone: str = value["standalone_question"]
        self._found: Sequence[retrieval.Found] = value["found"]
        self._language = language_of(self._question)
        self._sources = [retrieval.as_source(one) for one in self._found]
        seen = confidence.evidence(self._standalone, self._found)
        self._answerable = confidence.answerable(seen, Calibration())
        self._doubtful = self._answerable < confidence.ANSWER_FROM
        self._composer = Composer(self._sources, self._language, doubtful=self._doubtful)

    @property
    def worth_asking(self) -> bool:
        return self._answerable >= confidence.REFUSE_BELOW

    def begin(self) -> AddableDict:
        return AddableDict(answer_id=uuid.uuid4().hex, standalone_question=self._standalone, sources=self._sources)

    def prompt(self) -> dict[str, str]:
        return {
            "passages": passages(self._found),
            "question": self._standalone,
            "refusal": REFUSALS[self._language],
        }

    def chain(self, model: BaseChatModel) -> Runnable[dict[str, str], str]:
        return rag_prompt(self._language, may_refuse=self._doubtful) | model.bind(temperature=0) | StrOutputParser()

    def feed(self, piece: str) -> Iterator[AddableDict]:
        yield from _text(self._composer.feed(piece))

    def end(self) -> Iterator[AddableDict]:
        yield from _text(self._composer.end())
        refused = self._composer.refused
        final = confidence.after_answer(
            self._answerable, refused=refused, supported_share=self._composer.supported_share
        )
        yield AddableDict(citations=self._composer.citations, confidence=final, refused=refused)


def _text(text: str) -> Iterator[AddableDict]:
    if text:
        yield AddableDict(answer=text)


def _answers(model: BaseChatModel) -> Callable[[Iterator[dict[str, Any]]], Iterator[AddableDict]]:
    def answers(values: Iterator[dict[str, Any]]) -> Iterator[AddableDict]:
        answering = _Answering(_merged(list(values)))
        yield answering.begin()
        if answering.worth_asking:
            for piece in answering.chain(model).stream(answering.prompt()):
                yield from answering.feed(piece)
        yield from answering.end()

    return answers


def _async_answers(
    model: BaseChatModel,
) -> Callable[[AsyncIterator[dict[str, Any]]], AsyncIterator[AddableDict]]:
    async def answers(values: AsyncIterator[dict[str, Any]]) -> AsyncIterator[AddableDict]:
        answering = _Answering(_merged([value async for value in values]))
        yield answering.begin()
        if answering.worth_asking:
            async for piece in answering.chain(model).astream(answering.prompt()):
                for part in answering.feed(piece):
                    yield part
        for part in answering.end():
            yield part

    return answers


def _merged(values: list[dict[str, Any]]) -> dict[str, Any]:
    """The steps before pass their fields on one by one; none comes twice."""
    return {name: part for value in values for name, part in value.items()}
