"""POST /generate and /generate/stream: the model without a chain."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine
from contextlib import aclosing
from typing import Any, TypeVar

from fastapi import APIRouter, Request
from fastapi.responses import Response
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessageChunk, HumanMessage
from pydantic import BaseModel, ConfigDict, Field
from sse_starlette import EventSourceResponse

from app.dependencies import ServicesOf
from app.errors import RESPONSES

T = TypeVar("T")
router = APIRouter(tags=["generate"], responses=RESPONSES)


class GenerateRequest(BaseModel):
    """What to write, and how."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"prompt": "什么是AI芯片?"}})

    prompt: str = Field(min_length=1, max_length=2048, description="1 to 2048 characters")
    max_tokens: int = Field(512, ge=1, le=2048, description="The answer's greatest length, in tokens")
    temperature: float = Field(0.7, ge=0, le=2, description="0 always takes the likeliest token")
    top_p: float = Field(0.9, ge=0, le=1, description="Choose among the likeliest tokens that reach this probability")
    stream: bool = Field(False, description="Answer as /generate/stream does")
    stop: list[str] = Field(default_factory=list, max_length=8, description="Texts that end the answer")
    seed: int | None = Field(None, description="The same seed gives the same answer")

    def options(self) -> dict[str, Any]:
        """As the chat model takes them."""
        chosen = {"max_tokens": self.max_tokens, "temperature": self.temperature, "top_p": self.top_p}
        if self.seed is not None:
            chosen["seed"] = self.seed
        return chosen


class Usage(BaseModel):
    """In tokens."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    total_tokens: int = 0


class GenerateResponse(BaseModel):
    """`latency` in seconds."""

    text: str
    usage: Usage
    latency: float


@router.post("/generate", response_model=GenerateResponse)
async def generate(body: GenerateRequest, request: Request, services: ServicesOf) -> Response | GenerateResponse:
    """The whole answer at once; `stream: true` answers as /generate/stream."""
    if body.stream:
        return _event_stream(services.model, body)
    return await _unless_gone(request, _complete(services.model, body))


@router.post("/generate/stream")
async def generate_stream(body: GenerateRequest, services: ServicesOf) -> Response:
    """Server-sent events: `{"text"}` a token, then `{"usage","latency"}`, then `[DONE]`."""
    return _event_stream(services.model, body)


async def _complete(model: BaseChatModel, body: GenerateRequest) -> GenerateResponse:
    began = time.perf_counter()
    text, usage = "", Usage()
    async with aclosing(_chunks(model, body)) as chunks:
        async for chunk in chunks:
            text += str(chunk.text)
            usage = _usage(chunk) or usage
    return GenerateResponse(text=text, usage=usage, latency=round(time.perf_counter() - began, 4))


def _event_stream(model: BaseChatModel, body: GenerateRequest) -> EventSourceResponse:
    async def events() -> AsyncIterator[dict[str, str]]:
        began = time.perf_counter()
        usage = Usage()
        async with aclosing(_chunks(model, body)) as chunks:
            async for chunk in chunks:
                usage = _usage(chunk) or usage
                if chunk.text:
                    yield _event({"text": str(chunk.text)})
        yield _event({"usage": usage.model_dump(), "latency": round(time.perf_counter() - began, 4)})
        yield {"data": "[DONE]"}

    return EventSourceResponse(events(), sep="\n")


async def _chunks(model: BaseChatModel, body: GenerateRequest) -> AsyncGenerator[AIMessageChunk]:
    stream = model.astream([HumanMessage(body.prompt)], stop=body.stop or None, **body.options())
    async for chunk in stream:
        if isinstance(chunk, AIMessageChunk):
            yield chunk


def _usage(chunk: AIMessageChunk) -> Usage | None:
    used = chunk.usage_metadata
    if used is None:
        return None
    return Usage(
        prompt_tokens=used["input_tokens"],
        completion_tokens=used["output_tokens"],
        total_tokens=used["total_tokens"],
    )


def _event(data: dict[str, Any]) -> dict[str, str]:
    return {"data": json.dumps(data, ensure_ascii=False)}


async def _unless_gone(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """The work's result; stopped when the caller goes away, since nobody would read it."""
    task = asyncio.create_task(work)
    try:
        while not task.done():
            await asyncio.wait({task}, timeout=0.5)
            if not task.done() and await request.is_disconnected():
                task.cancel()
        return await task
    finally:
        task.cancel()
