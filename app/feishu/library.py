"""Feishu's documents for code that waits: the asynchronous client, one call after the other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager
from typing import Any, Protocol, TypeAlias, TypeVar

from app.feishu.client import open_client
from app.feishu.credentials import Credentials
from app.feishu.errors import CallFailed, PlatformUnavailable, QuotaSpent
from app.feishu.patience import USUAL, Patience
from app.feishu.wire import Json, Resource

Params: TypeAlias = Mapping[str, str | int]
T = TypeVar("T")
_MANY = 3
"""So many calls in a row that Feishu does not answer, after several tries each: the next ones would only take time."""
_FOR_ALL = (10003, 10014, 99991401)
"""Neither this app nor this secret nor this machine will do for the next call either."""


class Reads(Protocol):
    """What is needed of the client."""

    async def get(self, path: str, params: Params | None = None) -> Json: ...

    def pages(self, path: str, params: Params | None = None, *, items: str = "items") -> AsyncIterator[Json]: ...

    async def download(self, path: str, params: Params | None = None, *, max_bytes: int) -> Resource: ...


class Library:
    """
    Reads, from one thread.

    Each call waits until Feishu's rates allow it, and raises what the client raises. Where the next calls cannot but
    fail as well, they fail at once.
    """

    def __init__(self, client: Reads, runner: asyncio.Runner) -> None:
        self._client = client
        self._runner = runner
        self._unanswered = 0
        self._given_up: CallFailed | None = None

    def get(self, path: str, params: Params | None = None) -> Json:
        return self._run(self._client.get(path, params))

    def items(self, path: str, params: Params, *, items: str = "items") -> Iterator[Json]:
        """Of all pages; where one of them fails, those before it come, and then the error."""
        got: list[Json] = []
        try:
            self._run(_gather(self._client.pages(path, params, items=items), got))
        except CallFailed:
            yield from got
            raise
        yield from got

    def download(self, path: str, *, max_bytes: int) -> bytes:
        return self._run(self._client.download(path, max_bytes=max_bytes)).data

    def _run(self, call: Coroutine[Any, Any, T]) -> T:
        if self._given_up is not None:
            call.close()
            raise self._given_up.with_traceback(None)
        try:
            result = self._runner.run(call)
        except CallFailed as error:
            self._unanswered = self._unanswered + 1 if isinstance(error, PlatformUnavailable) else 0
            if self._unanswered >= _MANY or isinstance(error, QuotaSpent) or error.code in _FOR_ALL:
                self._given_up = error
            raise
        self._unanswered = 0
        return result


@contextmanager
def open_library(credentials: Credentials, *, patience: Patience = USUAL) -> Iterator[Library]:
    """
    It is used by the thread that opens it, in which no event loop may be running.

    Raises:
        Misconfigured: the domain is no address.
    """
    with asyncio.Runner() as runner:
        closing = AsyncExitStack()
        client = runner.run(closing.enter_async_context(open_client(credentials, patience=patience)))
        try:
            yield Library(client, runner)
        finally:
            runner.run(closing.aclose())


async def _gather(pages: AsyncIterator[Json], into: list[Json]) -> None:
    async for item in pages:
        into.append(item)
