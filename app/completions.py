"""The model without a chain: what a completion is, and how it is asked for."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessageChunk, BaseMessage
from langchain_core.messages.ai import UsageMetadata
from pydantic import BaseModel

from models.chat import LocalChatModel


class Usage(BaseModel):
    """In tokens."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    total_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of an answer; the last one says why it ends, and what it cost where that is known."""

    text: str = ""
    finish_reason: str | None = None
    usage: Usage | None = None
    extra: dict[str, Any] | None = None
    """What a chain says beside its text."""


@dataclass(frozen=True, slots=True)
class Completion:
    """What the model is to answer; `options` as the chat model takes them, without those that are not given."""

    messages: Sequence[BaseMessage]
    caller: str
    stop: list[str] = field(default_factory=list)
    options: dict[str, Any] = field(default_factory=dict)
    ignore_eos: bool = False


async def complete(model: BaseChatModel, asked: Completion) -> AsyncGenerator[Piece]:
    """
    The answer as the model writes it; whoever stops reading closes this, and the model stops.

    Raises:
        CompletionError: as the model says.
    """
    options = {**asked.options, **_own_options(model, asked)}
    stream = model.astream(list(asked.messages), stop=asked.stop or None, **options)
    async with aclosing(stream) as chunks:  # type: ignore[type-var]  # it is an async generator
        async for chunk in chunks:
            if isinstance(chunk, AIMessageChunk):
                yield _piece(chunk)


def _own_options(model: BaseChatModel, asked: Completion) -> dict[str, Any]:
    options: dict[str, Any] = {"ignore_eos": True} if asked.ignore_eos else {}
    # where another server or library runs the model, who asks is nobody's business but ours
    return options | ({"user": asked.caller} if isinstance(model, LocalChatModel) else {})


def _piece(chunk: AIMessageChunk) -> Piece:
    reason = chunk.response_metadata.get("finish_reason")
    return Piece(text=str(chunk.text), finish_reason=reason, usage=usage_of(chunk.usage_metadata))


def usage_of(used: UsageMetadata | None) -> Usage | None:
    if used is None:
        return None
    return Usage(
        prompt_tokens=used["input_tokens"],
        completion_tokens=used["output_tokens"],
        total_tokens=used["total_tokens"],
    )
