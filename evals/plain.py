"""
The chain that larkwise is compared with: the three nearest chunks, the prompt of the project's sources, the model.

Nothing is reranked, gated or checked; what it says of itself is what the sources say: a confidence of 0.8.
"""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Callable
from typing import Any

from langchain_core.documents import Document
from langchain_core.language_models import BaseChatModel
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableGenerator
from langchain_core.runnables.utils import AddableDict
from langchain_core.vectorstores import VectorStore

from chains.language import Language, language_of
from chains.prompts import REFUSALS
from chains.rag import Question, RagOutput
from chains.registry import Chain, ChainSpec, Parts

_TOP_K = 3
_CONFIDENCE = 0.8
_PROMPTS: dict[Language, ChatPromptTemplate] = {
    "zh": ChatPromptTemplate.from_messages(
        [
            (
                "human",
                (
                    "请根据以下参考资料回答问题。如果参考资料中没有答案，请说“{refusal}”。\n\n"
                    "参考资料：\n{passages}\n\n问题：{question}\n\n回答："
                ),
            )
        ]
    ),
    "en": ChatPromptTemplate.from_messages(
        [
            (
                "human",
                (
                    "Answer the question from the reference material below. If the answer is not in it, say "
                    '"{refusal}"\n\nReference material:\n{passages}\n\nQuestion: {question}\n\nAnswer:'
                ),
            )
        ]
    ),
}


def build(parts: Parts) -> Chain:
    """The same input and output as larkwise's own chain."""
    chain: Chain = RunnableGenerator(_answers(parts.model, parts.collection))
    return chain


SPEC = ChainSpec(name="plain", input=Question, output=RagOutput, build=build)


def _answers(
    model: BaseChatModel, collection: Callable[[str], VectorStore]
) -> Callable[[AsyncIterator[dict[str, Any]]], AsyncIterator[AddableDict]]:
    async def answers(values: AsyncIterator[dict[str, Any]]) -> AsyncIterator[AddableDict]:
        async for value in values:
            found = collection(value["collection"]).similarity_search_with_score(value["question"], k=_TOP_K)
            language = language_of(value["question"])
            said = {
                "passages": "\n\n".join(document.page_content for document, _ in found),
                "question": value["question"],
                "refusal": REFUSALS[language],
            }
            answer = await (_PROMPTS[language] | model.bind(temperature=0) | StrOutputParser()).ainvoke(said)
            yield _output(value["question"], answer, found, REFUSALS[language])

    return answers


def _output(question: str, answer: str, found: list[tuple[Document, float]], refusal: str) -> AddableDict:
    return AddableDict(
        answer_id=uuid.uuid4().hex,
        answer=answer.strip(),
        standalone_question=question,
        sources=[
            {
                "id": str(document.id or ""),
                "content": document.page_content,
                "metadata": dict(document.metadata),
                "score": score,
            }
            for document, score in found
        ],
        citations=[],
        confidence=_CONFIDENCE if found else 0.0,
        mode="generated",
        signals={},
        refused=refusal.rstrip("。.") in answer,
    )
