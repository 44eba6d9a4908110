"""
POST over connections that are kept open, and nothing else: a client that costs less than what it measures.

httpx looks through all its connections and all that waits for one with every request; when a service falls behind, the
client falls behind further.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

from bench.errors import TargetError

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)
_CLOSES = re.compile(rb"\r\nconnection: *close\r\n", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Connection:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter


class Wire:
    """To one address; as many connections as there are requests at once."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._host, self._port, self._path = str(parts.hostname), parts.port or 80, parts.path or "/"
        self._idle: list[_Connection] = []

    def built(self, headers: Mapping[str, str], body: bytes) -> bytes:
        """A whole request."""
        lines = {"Host": f"{self._host}:{self._port}", **headers, "Content-Length": str(len(body))}
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        return f"POST {self._path} HTTP/1.1\r\n{head}\r\n".encode() + body

    async def status(self, request: bytes) -> int:
        """
        That of the answer, when all of it is here.

        Raises:
            TargetError: there was none.
        """
        connection = None
        try:
            connection = self._kept_open() or await self._connected()
            connection.writer.write(request)
            head = await _head_of_answer(connection.reader)
        except BaseException as error:
            if connection:
                connection.writer.close()
            if isinstance(error, OSError | EOFError | asyncio.LimitOverrunError):
                raise TargetError(f"{type(error).__name__}: {error}") from error
            raise
        if _CLOSES.search(head):
            connection.writer.close()
        else:
            self._idle.append(connection)
        return int(head.split(b" ", 2)[1])

    def close(self) -> None:
        """Those that are idle; the others when their request ends."""
        for connection in self._idle:
            connection.writer.close()

    def _kept_open(self) -> _Connection | None:
        """The one that was used last; servers close those that were not used for some seconds."""
        while self._idle:
            connection = self._idle.pop()
            if not connection.reader.at_eof():
                return connection
            connection.writer.close()
        return None

    async def _connected(self) -> _Connection:
        return _Connection(*await asyncio.open_connection(self._host, self._port))


async def _head_of_answer(reader: asyncio.StreamReader) -> bytes:
    """Its body is read too, and dropped."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = _LENGTH.search(head)
    if length is None:
        raise TargetError(f"an answer without a length: {head[:200]!r}")
    await reader.readexactly(int(length[1]))
    return head


@asynccontextmanager
async def open_wire(url: str) -> AsyncIterator[Wire]:
    wire = Wire(url)
    try:
        yield wire
    finally:
        wire.close()
