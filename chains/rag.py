"""Answers from a collection of documents: rewrite, retrieve, gate, prompt, model, citations."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any

from langchain_core.runnables import Runnable, RunnableGenerator, RunnableLambda, RunnablePassthrough
from langchain_core.runnables.utils import AddableDict
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator

from chains import retrieval
from chains.answering import Answering
from chains.answers import Citation, Source
from chains.confidence import Calibration
from chains.registry import Chain, ChainSpec, Parts
from chains.retrieval import Retrieved
from chains.rewording import rewording, telling_words
from chains.rewriting import rewriter, standalone_question

MAX_QUESTION = 2048
_TOP_K = 10
_FETCH_K = 20


SessionId = Annotated[str, BeforeValidator(lambda value: "" if value is None else value)]
"""May be left out, empty or null; a plain string in the schema, since the playground cannot show a choice of types."""


class Question(BaseModel):
    """A question in the asker's own words."""

    model_config = ConfigDict(extra="forbid")

    question: str = Field(max_length=MAX_QUESTION, description="The question, at most 2048 characters")
    collection: str = Field("default", description="The set of documents to answer from")
    session_id: SessionId = Field("", max_length=128, description="Keeps a conversation's turns together")
    filter: dict[str, Any] = Field(
        default_factory=dict,
        description='Only chunks whose metadata are so, for example {"department": "hr"}; see docs/knowledge.md',
    )

    attempt: int = Field(
        0,
        ge=0,
        le=3,
        description="How many answers to this question were not good enough: each time the search is wider and asks in "
        "other words as well, and the model reads more",
    )

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
    mode: str
    signals: dict[str, float]


def build(parts: Parts) -> Chain:
    """
    The chain from a `Question`'s fields to an `Answer`, streamed in pieces whose sum is the whole.

    First come the sources, then the answer's text as the model writes it, then citations and confidence. Where the
    model cannot answer now, the best sentences of the sources stand in its place.
    """
    chain: Chain = (
        RunnablePassthrough.assign(standalone_question=_rewriter(parts))
        | RunnablePassthrough.assign(other_words=_rewording(parts))
        | RunnablePassthrough.assign(basis=RunnableLambda(_retriever(parts)))
        | RunnableGenerator(_answers(parts), _async_answers(parts))
    )
    return chain


SPEC = ChainSpec(
    name="rag",
    input=Question,
    output=RagOutput,
    build=build,
    description="Answers from your documents, with sources",
)


def _rewriter(parts: Parts) -> Runnable[dict[str, Any], str]:
    """Where the model cannot be asked now, the rule alone."""
    by_model = rewriter(parts.model)
    if not parts.unavailable:
        return by_model
    return by_model.with_fallbacks([RunnableLambda(_by_rule)], exceptions_to_handle=parts.unavailable)


def _by_rule(value: dict[str, Any]) -> str:
    return standalone_question(value["question"], value.get("history") or [])


def _rewording(parts: Parts) -> Runnable[dict[str, Any], str]:
    """The question in other words, where it is asked again; empty where it is not."""
    by_model: Runnable[str, str] = rewording(parts.model)
    if parts.unavailable:
        by_model = by_model.with_fallbacks([RunnableLambda(telling_words)], exceptions_to_handle=parts.unavailable)

    def reword(value: dict[str, Any]) -> str:
        return by_model.invoke(value["standalone_question"]) if value.get("attempt") else ""

    async def areword(value: dict[str, Any]) -> str:
        return await by_model.ainvoke(value["standalone_question"]) if value.get("attempt") else ""

    return RunnableLambda(reword, afunc=areword)


@dataclass(frozen=True, slots=True)
class _Basis:
    """
    All that an answer takes from its collection, at one moment: afterwards it may change, or be deleted.

    Whoever follows a run's steps sees it, so it holds plain values only.
    """

    retrieved: Retrieved
    calibration: Calibration


def _retriever(parts: Parts) -> Callable[[dict[str, Any]], _Basis]:
    def basis(value: dict[str, Any]) -> _Basis:
        name = value.get("collection") or "default"
        calibration, store = parts.calibration(name), parts.collection(name)
        width = 1 + int(value.get("attempt") or 0)
        wordings = [value["standalone_question"], value.get("other_words") or ""]
        found = [
            retrieval.retrieve(
                store,
                wording,
                top_k=_TOP_K * width,
                fetch_k=_FETCH_K * width,
                filter=value.get("filter") or None,
                ranker=parts.ranker,
                calibration=calibration,
            )
            for wording in wordings
            if wording
        ]
        return _Basis(retrieval.together(found), calibration)

    return basis


def _answering(parts: Parts, value: dict[str, Any]) -> Answering:
    basis: _Basis = value["basis"]
    return Answering(
        question=value["question"],
        standalone=value["standalone_question"],
        retrieved=basis.retrieved,
        calibration=basis.calibration,
        settings=parts.answers.wider(int(value.get("attempt") or 0)),
        embeddings=parts.embeddings,
    )


def _answers(parts: Parts) -> Callable[[Iterator[dict[str, Any]]], Iterator[AddableDict]]:
    def answers(values: Iterator[dict[str, Any]]) -> Iterator[AddableDict]:
        answering = _answering(parts, _merged(list(values)))
        yield answering.begin()
        if answering.worth_asking:
            try:
                for piece in _asked(parts, answering).stream(answering.prompt()):
                    yield from answering.feed(piece)
            except parts.unavailable as error:
                answering.fall_back(error)
        yield from answering.end()

    return answers


def _async_answers(parts: Parts) -> Callable[[AsyncIterator[dict[str, Any]]], AsyncIterator[AddableDict]]:
    async def answers(values: AsyncIterator[dict[str, Any]]) -> AsyncIterator[AddableDict]:
        answering = _answering(parts, _merged([value async for value in values]))
        yield answering.begin()
        if answering.worth_asking:
            try:
                async for piece in _asked(parts, answering).astream(answering.prompt()):
                    for part in await asyncio.to_thread(_all, answering.feed(piece)):
                        yield part
            except parts.unavailable as error:
                answering.fall_back(error)
        for part in await asyncio.to_thread(_all, answering.end()):
            yield part

    return answers


def _all(parts: Iterator[AddableDict]) -> list[AddableDict]:
    """In a thread: to check a sentence may take some hundredths of a second, which others' streams would feel."""
    return list(parts)


def _asked(parts: Parts, answering: Answering) -> Runnable[dict[str, str], Any]:
    return answering.template() | parts.model.bind(temperature=0)


def _merged(values: list[dict[str, Any]]) -> dict[str, Any]:
    """The steps before pass their fields on one by one; none comes twice."""
    return {name: part for value in values for name, part in value.items()}
