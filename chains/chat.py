"""Talks with the model, without documents."""

from __future__ import annotations

from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.runnables import RunnableLambda
from pydantic import BaseModel, ConfigDict, Field, field_validator

from chains.fields import as_field
from chains.language import language_of
from chains.prompts import CHAT
from chains.rag import MAX_QUESTION, SessionId
from chains.registry import Chain, ChainSpec, Parts

_REMEMBERED_TURNS = 4
"""A small model forgets the question under a long history, and reads every turn again."""


class Message(BaseModel):
    """What one says to the model."""

    model_config = ConfigDict(extra="forbid")

    question: str = Field(max_length=MAX_QUESTION, description="At most 2048 characters")
    session_id: SessionId = Field("", max_length=128, description="Keeps a conversation's turns together")

    @field_validator("question")
    @classmethod
    def _not_blank(cls, question: str) -> str:
        if not question.strip():
            raise ValueError("the question is empty: write what you want to know")
        return question.strip()


class ChatOutput(BaseModel):
    """What the model says, from what it has learnt and without sources."""

    answer: str


def build(parts: Parts) -> Chain:
    """From a `Message`'s fields to {"answer"}, streamed."""
    return RunnableLambda(_messages) | parts.model | StrOutputParser() | as_field("answer")


SPEC = ChainSpec(
    name="chat", input=Message, output=ChatOutput, build=build, description="Talks with the model, without documents"
)


def _messages(value: dict[str, Any]) -> list[BaseMessage]:
    messages: list[BaseMessage] = [SystemMessage(CHAT[language_of(value["question"])])]
    for turn in (value.get("history") or [])[-_REMEMBERED_TURNS:]:
        messages += [HumanMessage(turn["question"]), AIMessage(turn["answer"])]
    return [*messages, HumanMessage(value["question"])]
