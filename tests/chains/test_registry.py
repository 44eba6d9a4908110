from __future__ import annotations

import importlib.metadata
import sys
import types
from importlib.metadata import EntryPoint

import pytest
from langchain_core.runnables import RunnableLambda
from pydantic import BaseModel

from chains import registry
from chains.built_in import BUILT_IN
from chains.errors import InvalidChain, InvalidInput, UnknownChain
from chains.rag import SPEC as RAG
from chains.registry import ChainSpec, chain_named, load_chains, validated


class Nothing(BaseModel):
    pass


def spec(name: str) -> ChainSpec:
    return ChainSpec(name, Nothing, Nothing, lambda parts: RunnableLambda(lambda value: value))


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    made = types.ModuleType("my_chains")
    monkeypatch.setitem(sys.modules, "my_chains", made)
    return made


def test_larkwise_comes_with_rag_chat_and_summarize() -> None:
    assert set(load_chains(BUILT_IN)) == {"rag", "chat", "summarize"}


def test_a_chain_is_found_by_module_and_attribute(module: types.ModuleType) -> None:
    module.SPEC = spec("mine")  # type: ignore[attr-defined]
    assert "mine" in load_chains(BUILT_IN, ["my_chains:SPEC"])


def test_a_chain_is_found_in_the_entry_points_of_packages(
    module: types.ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    module.SPEC = spec("theirs")  # type: ignore[attr-defined]
    point = EntryPoint("theirs", "my_chains:SPEC", registry.ENTRY_POINTS)

    def entry_points(*, group: str) -> importlib.metadata.EntryPoints:
        return importlib.metadata.EntryPoints([point] if group == "larkwise.chains" else [])

    monkeypatch.setattr(registry, "entry_points", entry_points)
    assert "theirs" in load_chains(BUILT_IN)


@pytest.mark.parametrize(
    ("path", "words"),
    [("my_chains", "MODULE:ATTRIBUTE"), ("nowhere:SPEC", "cannot be imported"), ("my_chains:MISSING", "imported")],
)
def test_a_name_that_leads_nowhere_is_told(module: types.ModuleType, path: str, words: str) -> None:
    with pytest.raises(InvalidChain, match=words):
        load_chains(BUILT_IN, [path])


def test_what_is_no_chain_a_bad_name_and_a_taken_name_are_refused(module: types.ModuleType) -> None:
    module.A, module.B, module.C = "no chain", spec("Bad Name"), spec("rag")  # type: ignore[attr-defined]
    for path, words in (("my_chains:A", "is a str"), ("my_chains:B", "Bad Name"), ("my_chains:C", "already")):
        with pytest.raises(InvalidChain, match=words):
            load_chains(BUILT_IN, [path])


def test_an_unknown_chain_names_those_that_there_are() -> None:
    with pytest.raises(UnknownChain, match=r"rag, chat, summarize"):
        chain_named(load_chains(BUILT_IN), "poem")


def test_input_is_validated_with_defaults() -> None:
    filled = {"question": "温度?", "collection": "default", "session_id": "", "filter": {}, "attempt": 0}
    assert validated(RAG, {"question": " 温度? "}) == filled
    for bad in ({}, {"question": " "}, {"question": "x" * 2049}, {"question": "?", "x": 1}, "text", None):
        with pytest.raises(InvalidInput):
            validated(RAG, bad)
