"""A server that answers as no decent one would; the bytes of an answer are a test's own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeAlias

from app.feishu.credentials import Credentials

Answer: TypeAlias = Callable[[asyncio.StreamWriter], Awaitable[None]]
TOKEN = b'{"code":0,"msg":"ok","tenant_access_token":"t-odd","expire":7200}'
OK = b'{"code":0,"msg":"ok","bot":{"open_id":"ou_bot","app_name":"odd"},"data":{}}'


@dataclass(slots=True)
class OddServer:
    """`answers` are given one after the other, the last one for ever; calls for tokens are always answered."""

    answers: list[Answer]
    connections: int = 0
    heads: list[str] = field(default_factory=list)
    closed_early: asyncio.Event = field(default_factory=asyncio.Event)
    port: int = 0

    @property
    def credentials(self) -> Credentials:
        return Credentials("cli_odd", "secret", f"http://127.0.0.1:{self.port}")

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                length = next((line for line in head.lower().split("\r\n") if line.startswith("content-length:")), ":0")
                await reader.readexactly(int(length.split(":")[1]))
                if "tenant_access_token" in head:
                    writer.write(json_answer(TOKEN))
                else:
                    self.heads.append(head)
                    await (self.answers.pop(0) if len(self.answers) > 1 else self.answers[0])(writer)
                await writer.drain()
                if writer.is_closing():
                    return
        except asyncio.IncompleteReadError:
            pass  # the client has closed an idle connection
        except ConnectionError:
            self.closed_early.set()
        finally:
            writer.close()


def json_answer(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


def plainly(data: bytes, *, then_close: bool = False) -> Answer:
    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        if then_close:
            await writer.drain()
            writer.close()

    return answer


@asynccontextmanager
async def odd_server(*answers: Answer) -> AsyncIterator[OddServer]:
    odd = OddServer(list(answers))
    server = await asyncio.start_server(odd.talk, "127.0.0.1", 0)
    odd.port = server.sockets[0].getsockname()[1]
    try:
        yield odd
    finally:
        server.close()
