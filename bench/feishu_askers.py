"""People who ask all the time, so that an answer is always being written."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import httpx

from bench.errors import TargetError
from bench.feishu_events import event_id_of, message, message_id_of, sealed

_AHEAD = 3
"""Questions of a chat that wait or are being answered: the next one is there when an answer ends."""
_AGAIN_S = 0.5
_FIRST_PERSON = 1_000_000
"""Nobody of these is among the people who send stickers."""


class Askers:
    """`chats` people with a private chat each; they ask the questions in turn, through the webhook at `url`."""

    def __init__(self, client: httpx.AsyncClient, url: str, questions: Sequence[str], *, chats: int) -> None:
        self.acknowledged: list[str] = []
        """The event ids of what was asked."""
        self.replied = 0
        self._client = client
        self._url = url
        self._questions = questions
        self._chats = chats
        self._asked = 0
        self._open: dict[str, int] = {}
        """Chats by the message that is not replied to yet."""
        self._silent = set(range(chats))
        self._all_speak = asyncio.Event()
        self._asking: set[asyncio.Task[None]] = set()
        self._is_over = False

    async def begin(self, within_s: float) -> None:
        """
        When this returns, an answer has begun in each chat.

        Raises:
            TargetError: not in so many seconds.
        """
        for _ in range(_AHEAD):
            for chat in range(self._chats):
                self._ask_soon(chat)
        try:
            async with asyncio.timeout(within_s):
                await self._all_speak.wait()
        except TimeoutError:
            raise TargetError(
                f"{len(self._silent)} of {self._chats} chats have no answer after {within_s:.0f} s"
            ) from None

    def hear(self, message_id: str) -> None:
        """The bot replies to this message: its answer has begun, and the person asks the next question."""
        chat = self._open.pop(message_id, None)
        if chat is None:
            return
        self.replied += 1
        self._silent.discard(chat)
        if not self._silent:
            self._all_speak.set()
        if not self._is_over:
            self._ask_soon(chat)

    async def end(self) -> None:
        """Nobody asks any more."""
        self._is_over = True
        asking = list(self._asking)
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)

    def _ask_soon(self, chat: int) -> None:
        task = asyncio.create_task(self._ask(chat))
        self._asking.add(task)
        task.add_done_callback(self._asking.discard)

    async def _ask(self, chat: int) -> None:
        """Until it is taken, as Feishu does it."""
        text = self._questions[self._asked % len(self._questions)]
        self._asked += 1
        event = message(_FIRST_PERSON + chat, "text", {"text": text})
        self._open[message_id_of(event)] = chat
        while not await self._is_taken(*sealed(event)):  # noqa: ASYNC110 - it is asked again, and nobody tells
            await asyncio.sleep(_AGAIN_S)
        self.acknowledged.append(event_id_of(event))

    async def _is_taken(self, headers: dict[str, str], body: bytes) -> bool:
        try:
            response = await self._client.post(self._url, headers=headers, content=body)
        except httpx.RequestError:
            return False
        return response.status_code == httpx.codes.OK
