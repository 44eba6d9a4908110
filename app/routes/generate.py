"""POST /generate, /generate/stream and /generate/batch: the model without a chain."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import HumanMessage
from pydantic import BaseModel, ConfigDict, Field, field_validator

from app.completions import Completion, Usage, complete
from app.dependencies import CallerOf, ServicesOf
from app.errors import RESPONSES, ErrorBody, ErrorDetail, logged_problem
from app.streaming import Event, as_event, event_stream

router = APIRouter(tags=["generate"], responses=RESPONSES)
_EVENTS: dict[int | str, dict[str, Any]] = {200: {"content": {"text/event-stream": {}}}}


class GenerateRequest(BaseModel):
    """What to write, and how."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"prompt": "什么是AI芯片?"}})

    prompt: str = Field(min_length=1, max_length=2048, description="1 to 2048 characters")
    max_tokens: int = Field(512, ge=1, le=2048, description="The answer's greatest length, in tokens")
    temperature: float = Field(0.7, ge=0, le=2, description="0 always takes the likeliest token")
    top_p: float = Field(0.9, ge=0, le=1, description="Choose among the likeliest tokens that reach this probability")
    stream: bool = Field(False, description="Answer as /generate/stream does")
    stop: list[str] = Field(default_factory=list, max_length=8, description="Texts that end the answer")
    seed: int | None = Field(None, ge=-(2**63), lt=2**63, description="The same seed gives the same answer")

    def asked_by(self, caller: str) -> Completion:
        """As the model takes it."""
        options: dict[str, Any] = {
            "max_tokens": self.max_tokens,
            "temperature": self.temperature,
            "top_p": self.top_p,
        }
        if self.seed is not None:
            options["seed"] = self.seed
        return Completion([HumanMessage(self.prompt)], caller, self.stop, options)


class GenerateResponse(BaseModel):
    """`latency` in seconds."""

    text: str
    usage: Usage
    latency: float


class BatchRequest(BaseModel):
    """Several requests that are worked on together."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"example": {"requests": [{"prompt": "什么是AI芯片?"}, {"prompt": "What is INT8?"}]}},
    )

    requests: list[GenerateRequest] = Field(min_length=1, max_length=32, description="1 to 32 requests")

    @field_validator("requests")
    @classmethod
    def _none_streams(cls, requests: list[GenerateRequest]) -> list[GenerateRequest]:
        if any(request.stream for request in requests):
            raise ValueError("a batch is answered as a whole: leave stream out, or use /generate/stream")
        return requests


class BatchResponse(BaseModel):
    """In the order of the requests; one that failed has its error in its place."""

    results: list[GenerateResponse | ErrorBody]


@router.post("/generate", response_model=GenerateResponse)
async def generate(
    body: GenerateRequest, request: Request, services: ServicesOf, caller: CallerOf
) -> Response | GenerateResponse:
    """The whole answer at once; `stream: true` answers as /generate/stream."""
    if body.stream:
        return await event_stream(_events(services.model, body.asked_by(caller)), request.scope)
    return await _whole(services.model, body.asked_by(caller))


@router.post("/generate/stream", response_class=Response, responses=_EVENTS)
async def generate_stream(body: GenerateRequest, request: Request, services: ServicesOf, caller: CallerOf) -> Response:
    """
    Server-sent events: `{"text"}` a token, then `{"usage","latency"}`, then `[DONE]`.

    Comments are sent while the request waits. An error after the first byte is an event `error`.
    """
    return await event_stream(_events(services.model, body.asked_by(caller)), request.scope)


@router.post("/generate/batch")
async def generate_batch(body: BatchRequest, request: Request, services: ServicesOf, caller: CallerOf) -> BatchResponse:
    """Several prompts; they share the model's steps, so together they take little longer than one."""

    async def one(asked: Completion) -> GenerateResponse | ErrorBody:
        try:
            return await _whole(services.model, asked)
        except Exception as error:  # noqa: BLE001 - whatever one request meets, the others are answered
            problem = logged_problem(error, request.scope)
            return ErrorBody(error=ErrorDetail.model_validate(problem.body(request.scope)["error"]))

    return BatchResponse(results=await asyncio.gather(*(one(each.asked_by(caller)) for each in body.requests)))


async def _whole(model: BaseChatModel, asked: Completion) -> GenerateResponse:
    began = time.perf_counter()
    text, usage = "", Usage()
    async with aclosing(complete(model, asked)) as pieces:
        async for piece in pieces:
            text += piece.text
            usage = piece.usage or usage
    return GenerateResponse(text=text, usage=usage, latency=_since(began))


async def _events(model: BaseChatModel, asked: Completion) -> AsyncIterator[Event]:
    began = time.perf_counter()
    usage = Usage()
    async with aclosing(complete(model, asked)) as pieces:
        async for piece in pieces:
            usage = piece.usage or usage
            if piece.text:
                yield as_event({"text": piece.text})
    yield as_event({"usage": usage.model_dump(), "latency": _since(began)})
    yield {"data": "[DONE]"}


def _since(began: float) -> float:
    return round(time.perf_counter() - began, 4)
