"""What langgraph.json names: each chain as a graph of one node, on the services of the HTTP application."""

from __future__ import annotations

from typing import Any, cast

from langchain_core.runnables import RunnableConfig
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from typing_extensions import TypedDict

from app.conversations import ANONYMOUS, remembering
from app.services import chain_specs
from app.settings import load_settings
from app.shared import opened_services
from chains.registry import ChainSpec, chain_named
from models.chat import CALLER

Graph = CompiledStateGraph[Any, Any, Any, Any]


def make_graph(name: str) -> Graph:
    """
    The chain `name` as a graph; its state is the input's and the output's fields together.

    Raises:
        UnknownChain: there is none of this name.
    """
    spec = chain_named(chain_specs(load_settings()), name)
    chain = remembering(spec, opened_services)

    async def answer(state: dict[str, Any], config: RunnableConfig) -> dict[str, Any]:
        value = {field: state[field] for field in spec.input.model_fields if field in state}
        caller = str(config.get("configurable", {}).get("langgraph_auth_user_id") or ANONYMOUS)
        known = {**config.get("configurable", {}), CALLER: caller}
        output = await chain.ainvoke(value, {**config, "configurable": known})
        return dict(output)

    graph = StateGraph(_schema(spec, "State", {**_fields(spec.input), **_fields(spec.output)}))
    graph.add_node(spec.name, cast(Any, answer))
    graph.add_edge(START, spec.name)
    graph.add_edge(spec.name, END)
    return cast(Graph, graph.compile(name=spec.name))


def rag() -> Graph:
    return make_graph("rag")


def chat() -> Graph:
    return make_graph("chat")


def summarize() -> Graph:
    return make_graph("summarize")


def _fields(model: Any) -> dict[str, Any]:
    return {name: field.annotation for name, field in model.model_fields.items()}


def _schema(spec: ChainSpec, suffix: str, fields: dict[str, Any]) -> Any:
    return TypedDict(f"{spec.name.title()}{suffix}", fields, total=False)  # type: ignore[operator]
