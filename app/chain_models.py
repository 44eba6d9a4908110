"""Chains as models of OpenAI's interface: `rag`, `rag:COLLECTION`, `chat` …"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from langchain_core.callbacks import UsageMetadataCallbackHandler
from langchain_core.runnables import Runnable
from langchain_core.runnables.utils import AddableDict

from app.completions import Piece, Usage
from app.conversations import HISTORY
from chains.answers import Turn
from chains.registry import ChainSpec
from models.chat import CALLER

_COLLECTION = "collection"


@dataclass(frozen=True, slots=True)
class ChainModel:
    """A chain that a list of messages can be put to; the last message goes into `field` of its input."""

    spec: ChainSpec
    field: str
    collection: str | None = None

    def input(self, text: str) -> dict[str, Any]:
        given = {self.field: text}
        return given if self.collection is None else given | {_COLLECTION: self.collection}


def chain_model(specs: Mapping[str, ChainSpec], model_id: str) -> ChainModel | None:
    """The chain of a model id; None where there is none, or one that takes more than a text."""
    name, colon, collection = model_id.partition(":")
    spec = specs.get(name)
    if spec is None or (field := _text_field(spec)) is None:
        return None
    if colon and _COLLECTION not in spec.input.model_fields:
        return None
    return ChainModel(spec, field, collection if colon else None)


def chain_model_ids(specs: Mapping[str, ChainSpec], collections: Iterable[str]) -> list[str]:
    """Every id that `chain_model` knows."""
    names = list(collections)
    ids = []
    for name, spec in specs.items():
        if _text_field(spec) is not None:
            ids.append(name)
            if _COLLECTION in spec.input.model_fields:
                ids += [f"{name}:{collection}" for collection in names]
    return ids


def _text_field(spec: ChainSpec) -> str | None:
    """The only field that must be given, if it is a text."""
    required = [name for name, field in spec.input.model_fields.items() if field.is_required()]
    if len(required) == 1 and spec.input.model_fields[required[0]].annotation is str:
        return required[0]
    return None


async def ask(
    model: ChainModel, chain: Runnable[Any, Any], text: str, *, history: list[Turn], caller: str
) -> AsyncGenerator[Piece]:
    """The chain's answer in pieces; the last one has what it says beside its text, and what the model was asked for."""
    used = UsageMetadataCallbackHandler()
    config: Any = {"configurable": {CALLER: caller, HISTORY: history}, "callbacks": [used]}
    output = AddableDict()
    async with aclosing(chain.astream(model.input(text), config)) as pieces:  # type: ignore[type-var]
        async for piece in pieces:
            output = output + AddableDict(piece)
            if said := piece.get(model.spec.answer_key):
                yield Piece(text=str(said))
    beside = {name: value for name, value in output.items() if name != model.spec.answer_key}
    yield Piece(finish_reason="stop", usage=_sum(used), extra=beside)


def _sum(used: UsageMetadataCallbackHandler) -> Usage:
    calls = used.usage_metadata.values()
    prompt, completion = (sum(call[kind] for call in calls) for kind in ("input_tokens", "output_tokens"))
    return Usage(prompt_tokens=prompt, completion_tokens=completion, total_tokens=prompt + completion)
