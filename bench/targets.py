"""What can be asked and measured: any OpenAI-compatible server, and a process that reads prompts line by line."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

import httpx
from pydantic import BaseModel, ValidationError

from bench.errors import TargetError, TargetRefused, TargetUnreachable

_FIELDS = (":", "event:", "id:", "retry:")
"""What else a line of a stream of events begins with."""
_END_S = 1.0
"""Between [DONE] and the end of the body."""
TIMEOUT_S = 900.0
"""A target that says nothing for so long has failed; eight people before one that answers one by one wait minutes."""


@dataclass(frozen=True, slots=True)
class Message:
    role: str
    content: str


@dataclass(frozen=True, slots=True)
class Prompt:
    """
    One request, answered with exactly `answer_tokens` tokens where the target can be told to.

    `label` says what it is for in a measurement that mixes several kinds.
    """

    messages: tuple[Message, ...]
    answer_tokens: int
    label: str = ""

    def as_json(self) -> list[dict[str, str]]:
        """The messages as chat templates and servers take them."""
        return [{"role": message.role, "content": message.content} for message in self.messages]


@dataclass(frozen=True, slots=True)
class Piece:
    """Some text of the answer."""

    text: str


@dataclass(frozen=True, slots=True)
class Usage:
    """As the target counts them; comes at the end, where it comes at all."""

    prompt_tokens: int
    completion_tokens: int


Event: TypeAlias = Piece | Usage


class Target(Protocol):
    """Answers one prompt in pieces; safe under concurrent calls."""

    def stream(self, prompt: Prompt) -> AsyncGenerator[Event]:
        """
        Closing the stream ends the request.

        Raises:
            TargetError: no answer, or not to its end.
        """


class _Delta(BaseModel):
    """What a model thinks takes as long as what it says; servers have two names for it."""

    content: str | None = None
    reasoning: str | None = None
    reasoning_content: str | None = None


class _Choice(BaseModel):
    delta: _Delta | None = None
    finish_reason: str | None = None


class _Used(BaseModel):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class _Chunk(BaseModel):
    """A chunk of a streamed completion, as far as it is read here."""

    choices: tuple[_Choice, ...] | None = None
    usage: _Used | None = None

    @property
    def ends(self) -> bool:
        """Whether the answer is whole with this: some servers then say no [DONE]."""
        return any(choice.finish_reason for choice in self.choices or ())

    def events(self) -> Iterator[Event]:
        for choice in self.choices or ():
            delta = choice.delta or _Delta()
            if text := delta.content or delta.reasoning or delta.reasoning_content:
                yield Piece(text)
        if self.usage:
            yield Usage(self.usage.prompt_tokens or 0, self.usage.completion_tokens or 0)


@dataclass(frozen=True, slots=True)
class OpenAIServer:
    """
    POST /v1/chat/completions below `url`, streamed and greedy.

    `options` are added to every request's body: what this server needs to answer in full length or without a cache.
    `client` is closed by whoever made it; see `open_client`.
    """

    url: str
    model: str
    client: httpx.AsyncClient
    options: Mapping[str, Any] = field(default_factory=dict)
    api_key: str = field(default="", repr=False)

    async def stream(self, prompt: Prompt) -> AsyncGenerator[Event]:
        ended = False
        try:
            async with self.client.stream(
                "POST", f"{self.url}/v1/chat/completions", json=self._body(prompt), headers=bearer(self.api_key)
            ) as response:
                if response.status_code != httpx.codes.OK:
                    text = (await response.aread()).decode(errors="replace")
                    raise TargetRefused(response.status_code, text[:200])
                lines = _data_lines(response)
                async for data in lines:
                    if data == "[DONE]":
                        ended = True
                        break
                    chunk = _chunk(data)
                    ended = ended or chunk.ends
                    for event in chunk.events():
                        yield event
                await _read_out(lines)
        except httpx.HTTPError as error:
            raise TargetUnreachable(f"{type(error).__name__}: {error}") from error
        if not ended:
            raise TargetError("the stream broke off before [DONE]")

    def _body(self, prompt: Prompt) -> dict[str, Any]:
        return {
            "model": self.model,
            "messages": prompt.as_json(),
            "max_tokens": prompt.answer_tokens,
            "temperature": 0,
            "stream": True,
            "stream_options": {"include_usage": True},
            **self.options,
        }


def bearer(api_key: str) -> dict[str, str]:
    """The header that brings a key; none where there is no key."""
    return {"authorization": f"Bearer {api_key}"} if api_key else {}


def open_client() -> httpx.AsyncClient:
    """A client for any number of streams at once; proxies are not asked, since a proxy would be measured too."""
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
    return httpx.AsyncClient(timeout=TIMEOUT_S, limits=limits, trust_env=False)


async def _read_out(lines: AsyncIterator[str]) -> None:
    """To the end of the body: a connection that is left in the middle cannot be used for the next request."""
    with suppress(TimeoutError):
        async with asyncio.timeout(_END_S):
            async for _ in lines:
                pass


async def _data_lines(response: httpx.Response) -> AsyncIterator[str]:
    """What stands in `data:` fields; each by itself, since no server breaks its JSON into lines."""
    event, has_come, other = "", False, ""
    async for line in _lines(response):
        if not line:
            event = ""
        elif line.startswith("event:"):
            event = line.removeprefix("event:").strip()
        elif line.startswith("data:"):
            has_come = True
            data = line.removeprefix("data:").strip()
            if event == "error":
                raise TargetError(f"the stream ended with an error: {data[:200]}")
            if data:
                yield data
        elif not has_come and not line.startswith(_FIELDS):
            other = f"{other} {line.strip()}".strip()[:200]
    if not has_come:
        raise TargetError(f"no stream of events came, but {other or 'nothing'}")


async def _lines(response: httpx.Response) -> AsyncIterator[str]:
    """Split as server-sent events are: JSON may hold what is the end of a line elsewhere, U+2028 for example."""
    rest = b""
    async for read in response.aiter_bytes():
        *lines, rest = (rest + read).split(b"\n")
        for line in lines:
            yield line.removesuffix(b"\r").decode(errors="replace")
    if rest:
        yield rest.decode(errors="replace")


def _chunk(data: str) -> _Chunk:
    try:
        chunk = json.loads(data)
    except ValueError as error:
        raise TargetError(f"no JSON in the stream: {data[:200]}") from error
    if isinstance(chunk, dict) and (said := _error_in(chunk)):
        raise TargetError(f"the stream ended with an error: {json.dumps(said, ensure_ascii=False)[:200]}")
    try:
        return _Chunk.model_validate(chunk)
    except ValidationError as error:
        raise TargetError(f"no chunk of a completion in the stream: {data[:200]}") from error


def _error_in(chunk: dict[str, Any]) -> Any:
    """OpenAI's `error`, or what vLLM (`object`, `code`) and FastChat (`error_code`) have sent instead of a chunk."""
    if "choices" in chunk or "usage" in chunk:
        return chunk.get("error")
    is_error = chunk.get("object") == "error" or chunk.get("error_code") or chunk.get("code")
    return chunk.get("error") or (chunk if is_error else None)


class LineProcess:
    """
    A process that answers one prompt after the other: a JSON line in, JSON lines out.

    In: {"messages", "answer_tokens"}. Out: {"text"} for each piece, then {"prompt_tokens", "completion_tokens"} or
    {"error"}. Whoever comes meanwhile waits, as people do before a model that answers one at a time.
    """

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._turn = asyncio.Lock()

    async def stream(self, prompt: Prompt) -> AsyncGenerator[Event]:
        async with self._turn:
            await self._send({"messages": prompt.as_json(), "answer_tokens": prompt.answer_tokens})
            ended = False
            try:
                while not ended:
                    line = await self._receive()
                    if "error" in line:
                        ended = True
                        raise TargetError(line["error"])
                    if "text" in line:
                        yield Piece(line["text"])
                    else:
                        ended = True
                        yield Usage(**line)
            finally:
                while not ended:  # it cannot be stopped: the next caller must not read this answer
                    ended = "text" not in await self._receive()

    async def _send(self, line: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(line).encode() + b"\n")
            await self._process.stdin.drain()
        except ConnectionError as error:
            raise TargetError("the process has ended") from error

    async def _receive(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        if not line:
            raise TargetError("the process has ended")
        received: dict[str, Any] = json.loads(line)
        return received
