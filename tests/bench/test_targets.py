"""What servers with OpenAI's interface really send, odd things included."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from bench.errors import TargetError
from bench.targets import Event, Message, OpenAIServer, Piece, Prompt, Usage, open_client
from tests.fake_openai import Words, fake_openai

PROMPT = Prompt((Message("user", "Hello"),), 3)


async def answer(url: str, times: int = 1) -> list[Event]:
    async with open_client() as client:
        server = OpenAIServer(url.removesuffix("/v1"), "m", client)
        return [event for _ in range(times) async for event in server.stream(PROMPT)]


@pytest.mark.parametrize("said_as", ["content", "reasoning", "reasoning_content"])
async def test_what_a_model_thinks_is_text_under_whichever_name(said_as: str) -> None:
    with fake_openai(Words(said_as=said_as)) as server:
        assert await answer(server.url) == [Piece("Hello"), Piece(" there"), Piece("!"), Usage(7, 3)]


@dataclass(slots=True)
class Kept:
    """A server that keeps its connections open, and how many it was asked for."""

    url: str = ""
    connections: int = 0
    chunks: list[Any] = field(default_factory=list)
    body: list[str] = field(default_factory=list)
    """Sent as it is, instead of chunks."""


@asynccontextmanager
async def keeping(*chunks: Any) -> AsyncIterator[Kept]:
    kept, open_ones = Kept(chunks=list(chunks)), list[tuple[asyncio.Task[Any] | None, asyncio.StreamWriter]]()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        open_ones.append((asyncio.current_task(), writer))
        kept.connections += 1
        while head := await _head(reader):
            await reader.readexactly(int(head.lower().split("content-length: ")[1].split("\r\n")[0]))
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
            for line in kept.body or [f"data: {data}\n\n" for data in (*map(json.dumps, kept.chunks), "[DONE]")]:
                writer.write(f"{len(line.encode()):x}\r\n".encode() + line.encode() + b"\r\n")
            writer.write(b"0\r\n\r\n")
            await writer.drain()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        kept.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield kept
        finally:
            for task, writer in open_ones:
                writer.close()
                await asyncio.gather(*filter(None, [task]), writer.wait_closed(), return_exceptions=True)


async def _head(reader: asyncio.StreamReader) -> str:
    """Empty at the end."""
    try:
        return (await reader.readuntil(b"\r\n\r\n")).decode()
    except (asyncio.IncompleteReadError, ConnectionError):
        return ""


WORD = {"choices": [{"delta": {"content": "word"}}]}


async def test_a_connection_is_used_again() -> None:
    async with keeping(WORD) as server:
        assert await answer(server.url, times=4) == [Piece("word")] * 4

    assert server.connections == 1


@pytest.mark.parametrize(
    "chunk",
    [{"choices": None, "usage": None}, {"choices": [{"delta": None}]}, {"choices": [{"delta": {"role": "assistant"}}]}],
)
async def test_a_chunk_without_text_is_none(chunk: Any) -> None:
    async with keeping(chunk, WORD) as server:
        assert await answer(server.url) == [Piece("word")]


@pytest.mark.parametrize(
    "chunk", [5, [WORD], {"choices": [None]}, {"choices": 1}, {"usage": 5}, {"choices": [{"delta": "x"}]}]
)
async def test_what_is_no_chunk_fails_the_request_and_not_the_run(chunk: Any) -> None:
    async with keeping(chunk) as server:
        with pytest.raises(TargetError, match="no chunk of a completion"):
            await answer(server.url)


@pytest.mark.parametrize(
    "chunk",
    [
        {"object": "error", "message": "out of memory", "code": 500},
        {"text": "out of memory", "error_code": 50002},
        {"code": 503, "message": "out of memory"},
        {"error": {"message": "out of memory"}, "choices": []},
    ],
    ids=["vLLM", "FastChat", "code", "OpenAI"],
)
async def test_an_error_in_the_stream_fails_the_request_whatever_its_form(chunk: Any) -> None:
    async with keeping(WORD, chunk) as server:
        with pytest.raises(TargetError, match=r"the stream ended with an error: .*out of memory"):
            await answer(server.url)


def sent(text: str, **choice: Any) -> str:
    return f"data: {json.dumps({'choices': [{'delta': {'content': text}, **choice}]}, ensure_ascii=False)}\n\n"


async def answer_of(*body: str) -> list[Event]:
    async with keeping() as server:
        server.body = list(body)
        return await answer(server.url)


DONE = "data: [DONE]\n\n"


@pytest.mark.parametrize(
    "body",
    [
        [sent("a\u2028b"), sent("c\u0085d"), DONE],
        [sent("a\u2028b"), "data:\n\n", ": ping\n\n", sent("c\u0085d"), DONE],
        [sent("a\u2028b"), "event: error\n\n", sent("c\u0085d"), DONE],
        [sent("a\u2028b"), sent("c\u0085d", finish_reason="stop")],
        ["".join([sent("a\u2028b"), sent("c\u0085d"), DONE]).replace("\n", "\r\n")],
    ],
    ids=["other ends of lines", "empty events", "an event without data", "no [DONE]", "CRLF"],
)
async def test_a_stream_is_read_as_events_are(body: list[str]) -> None:
    assert await answer_of(*body) == [Piece("a\u2028b"), Piece("c\u0085d")]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (['{"error":\n {"message": "overloaded"}}'], 'no stream of events came, but {"error": {"message": "over'),
        ([": ping\n\n"], "no stream of events came, but nothing"),
        (["event: error\n", sent("overloaded")], "the stream ended with an error: .*overloaded"),
        ([sent("half")], "broke off before"),
    ],
    ids=["JSON", "nothing", "an event that is an error", "no end"],
)
async def test_a_body_that_is_no_whole_stream_is_told_with_what_it_is(body: list[str], reason: str) -> None:
    with pytest.raises(TargetError, match=reason):
        await answer_of(*body)
