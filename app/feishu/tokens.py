"""The tenant access token: fetched once for all who wait, and anew before it ends."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from app.feishu.errors import CallFailed, PlatformUnavailable

logger = logging.getLogger(__name__)
EARLY_S = 30 * 60.0
"""With this much left Feishu gives a new token, and both are good: calls go on with the old one meanwhile."""
_AGAIN_S = 10.0
"""Between fetches ahead of time: clocks differ, so Feishu may give the same token for a moment."""


@dataclass(frozen=True, slots=True)
class Token:
    """Good for `life_s` seconds from when it was asked for."""

    value: str = field(repr=False)
    life_s: float


class Tokens:
    """One token for all; `fetch` is never run twice at a time, whoever is cancelled while it runs."""

    def __init__(self, fetch: Callable[[], Awaitable[Token]], *, clock: Callable[[], float]) -> None:
        self._fetch = fetch
        self._clock = clock
        self._value = ""
        self._until = float("-inf")
        self._early_from = float("-inf")
        self._fetching: asyncio.Task[str] | None = None

    async def get(self) -> str:
        """
        A good token, as far as we know.

        Raises:
            CallFailed: there is none, and none can be got.
        """
        now = self._clock()
        if now >= self._until:
            return await self._awaited(self._begun())
        if self._until - now <= EARLY_S and now >= self._early_from:
            self._begun()
        return self._value

    def drop(self, token: str) -> None:
        """Feishu does not take it: the next `get` fetches another. Of many who say so the first one counts."""
        if token == self._value:
            self._until = float("-inf")

    async def close(self) -> None:
        if self._fetching is not None:
            self._fetching.cancel()
            await asyncio.wait({self._fetching})

    def _begun(self) -> asyncio.Task[str]:
        if self._fetching is None or self._fetching.done():
            self._fetching = asyncio.create_task(self._fetched(), name="feishu token")
            self._fetching.add_done_callback(_told)
        return self._fetching

    async def _fetched(self) -> str:
        asked_at = self._clock()
        self._early_from = asked_at + _AGAIN_S
        token = await self._fetch()
        self._value, self._until = token.value, asked_at + token.life_s
        return token.value

    async def _awaited(self, fetching: asyncio.Task[str]) -> str:
        # not `await fetching`: that would cancel it, for all, when one of those who wait is cancelled
        await asyncio.wait({fetching})
        if fetching.cancelled():
            raise PlatformUnavailable("the connection to Feishu was closed")
        return fetching.result()


def _told(fetching: asyncio.Task[str]) -> None:
    """A failure is told here once, also where nobody waits for the token."""
    error = None if fetching.cancelled() else fetching.exception()
    if isinstance(error, CallFailed):
        logger.warning("no new token: %s", error)
    elif error is not None:
        logger.error("no new token", exc_info=error)
