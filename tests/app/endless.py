"""A chain whose answer does not end by itself for a long while."""

from __future__ import annotations

from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from pydantic import BaseModel

from chains.fields import as_field
from chains.registry import Chain, ChainSpec, Parts

TOKENS = 2000


class Endless(BaseModel):
    question: str
    session_id: str = ""


class Answer(BaseModel):
    answer: str


def build(parts: Parts) -> Chain:
    model = parts.model.bind(max_tokens=TOKENS, ignore_eos=True)
    return ChatPromptTemplate.from_messages([("human", "{question}")]) | model | StrOutputParser() | as_field("answer")


SPEC = ChainSpec(name="endless", input=Endless, output=Answer, build=build)
