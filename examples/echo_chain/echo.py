"""
A chain of your own, in one file.

    LARKWISE_CHAINS=examples.echo_chain.echo:SPEC larkwise serve

mounts it at /echo (invoke, stream, playground). A line in langgraph.json makes it a graph:

    "echo": "./examples/echo_chain/echo.py:graph"

In a package of its own, an entry point does the same without a setting:

    [project.entry-points."larkwise.chains"]
    echo = "my_package.echo:SPEC"
"""

from __future__ import annotations

from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from pydantic import BaseModel, Field

from app.graph import Graph, make_graph
from chains.fields import as_field
from chains.registry import Chain, ChainSpec, Parts


class Phrase(BaseModel):
    text: str = Field(min_length=1, max_length=200)


class Echo(BaseModel):
    echo: str


def build(parts: Parts) -> Chain:
    """The model says the phrase again; what it says streams as {"echo": …}."""
    prompt = ChatPromptTemplate.from_messages([("human", "Repeat exactly: {text}")])
    return prompt | parts.model.bind(temperature=0, max_tokens=64) | StrOutputParser() | as_field("echo")


SPEC = ChainSpec(name="echo", input=Phrase, output=Echo, build=build, answer_key="echo", description="Says it again")


def graph() -> Graph:
    return make_graph("echo")
