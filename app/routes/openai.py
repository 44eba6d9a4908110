"""OpenAI's interface: /v1/chat/completions, /v1/models, /v1/embeddings; each chain is a model."""

from __future__ import annotations

import base64
import time
import uuid
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from starlette.concurrency import run_in_threadpool

from app import chain_models
from app.completions import Piece, Usage, complete
from app.dependencies import CallerOf, ServicesOf
from app.errors import RESPONSES, UnknownModelId
from app.openai_requests import ChatRequest, EmbeddingRequest
from app.services import Services
from app.streaming import Event, as_event, event_stream
from chains.registry import validated

router = APIRouter(prefix="/v1", tags=["openai"], responses=RESPONSES)
_OWNER = "larkwise"


@router.post("/chat/completions", response_class=Response)
async def chat_completions(body: ChatRequest, request: Request, services: ServicesOf, caller: CallerOf) -> Response:
    """
    The model alone, or a chain, as `model` says.

    A chain is asked the last message, and earlier ones are its history; it has its own prompt and its own
    temperature, so system messages and sampling parameters change nothing there. What it says beside its text
    (sources, citations, confidence …) is the field `larkwise` of the message, or of the stream's last delta.
    """
    pieces = await _pieces(body, request, services, caller)
    reply = _Reply(body.model)
    if body.stream:
        return await event_stream(_events(reply, pieces, includes_usage=body.includes_usage), request.scope)
    return JSONResponse(await _whole(reply, pieces))


@router.get("/models")
async def models(services: ServicesOf) -> dict[str, Any]:
    """What can be asked, and the embedding model."""
    return {"object": "list", "data": [_model(each) for each in await _model_ids(services)]}


@router.get("/models/{model_id:path}")
async def model(model_id: str, services: ServicesOf) -> dict[str, Any]:
    """One of them."""
    if model_id not in await _model_ids(services):
        raise await _unknown(services, model_id)
    return _model(model_id)


@router.post("/embeddings")
async def embeddings(body: EmbeddingRequest, services: ServicesOf) -> dict[str, Any]:
    """Texts as vectors of length 1. Tokens are not counted: `usage` is 0."""
    if body.model != services.settings.embedding_model:
        known = services.settings.embedding_model
        raise UnknownModelId(f"there is no embedding model {body.model!r}; there is {known}")
    vectors = await services.embedding.aembed_documents(body.texts)
    encoded = [_base64(vector) if body.encoding_format == "base64" else vector for vector in vectors]
    return {
        "object": "list",
        "model": body.model,
        "data": [{"object": "embedding", "index": at, "embedding": each} for at, each in enumerate(encoded)],
        "usage": {"prompt_tokens": 0, "total_tokens": 0},
    }


async def _pieces(body: ChatRequest, request: Request, services: Services, caller: str) -> AsyncGenerator[Piece]:
    if body.model == services.settings.llm_model:
        return complete(services.model, body.asked_by(caller))
    chain = chain_models.chain_model(services.specs, body.model)
    if chain is None:
        raise await _unknown(services, body.model)
    collection = validated(chain.spec, chain.input(body.question)).get("collection")
    if collection is not None:
        await run_in_threadpool(services.collections.open, collection)  # a stream should not have to say 404
    door = request.app.state.doors[chain.spec.name]
    return chain_models.ask(chain, door, body.question, history=body.history, caller=caller)


@dataclass(frozen=True, slots=True)
class _Reply:
    """What every part of one reply repeats."""

    model: str
    id: str = field(default_factory=lambda: f"chatcmpl-{uuid.uuid4().hex}")
    created: int = field(default_factory=lambda: int(time.time()))

    def whole(self, message: dict[str, Any], finish_reason: str, usage: Usage) -> dict[str, Any]:
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish_reason}
        return self._head("chat.completion") | {"choices": [choice], "usage": usage.model_dump()}

    def chunk(self, delta: dict[str, Any], finish_reason: str | None = None) -> Event:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        return as_event(self._head("chat.completion.chunk") | {"choices": [choice]})

    def usage(self, usage: Usage) -> Event:
        return as_event(self._head("chat.completion.chunk") | {"choices": [], "usage": usage.model_dump()})

    def _head(self, kind: str) -> dict[str, Any]:
        return {"id": self.id, "object": kind, "created": self.created, "model": self.model}


async def _whole(reply: _Reply, pieces: AsyncGenerator[Piece]) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": ""}
    finish_reason, usage = "stop", Usage()
    async with aclosing(pieces):
        async for piece in pieces:
            message["content"] += piece.text
            finish_reason = piece.finish_reason or finish_reason
            usage = piece.usage or usage
            if piece.extra:
                message[_OWNER] = piece.extra
    return reply.whole(message, finish_reason, usage)


async def _events(reply: _Reply, pieces: AsyncGenerator[Piece], *, includes_usage: bool) -> AsyncIterator[Event]:
    finish_reason, usage, last = "stop", Usage(), {}
    role: dict[str, str] = {"role": "assistant"}
    async with aclosing(pieces):
        async for piece in pieces:
            if piece.text:
                yield reply.chunk(role | {"content": piece.text})
                role = {}
            finish_reason = piece.finish_reason or finish_reason
            usage = piece.usage or usage
            if piece.extra:
                last = {_OWNER: piece.extra}
    yield reply.chunk(role | last, finish_reason)
    if includes_usage:
        yield reply.usage(usage)
    yield {"data": "[DONE]"}


async def _model_ids(services: Services) -> list[str]:
    collections = await run_in_threadpool(services.collections.names)
    chains = chain_models.chain_model_ids(services.specs, collections)
    return list(dict.fromkeys([services.settings.llm_model, *chains, services.settings.embedding_model]))


def _model(model_id: str) -> dict[str, Any]:
    return {"id": model_id, "object": "model", "created": 0, "owned_by": _OWNER}


async def _unknown(services: Services, model_id: str) -> UnknownModelId:
    return UnknownModelId(f"there is no model {model_id!r}; there are: {', '.join(await _model_ids(services))}")


def _base64(vector: list[float]) -> str:
    return base64.b64encode(np.asarray(vector, dtype="<f4").tobytes()).decode()
