"""Feishu's open platform: a method for each thing that the bot does there."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Literal
from urllib.parse import quote

from app.feishu import pacing
from app.feishu.credentials import Credentials
from app.feishu.errors import PlatformUnavailable
from app.feishu.patience import USUAL, Patience
from app.feishu.transport import Call, Transport, open_transport
from app.feishu.wire import BotInfo, Content, Json, Message, Resource, message_of, written

_MESSAGES = "/open-apis/im/v1/messages"
_CARDS = "/open-apis/cardkit/v1/cards"
_PAGE = 50
_CHANGED_BEFORE = frozenset({200770, 300317})
"""The uuid was used, or the number: each of our changes has its own, so it was this change."""


class FeishuClient:
    """
    Each method waits its turn, and tries several times where that may help.

    With the same `uuid` a message is sent once within the hour, and a card changed once. Every method raises CallFailed
    where the call was not done, or where that is not known; its kinds say what to do.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    @property
    def credentials(self) -> Credentials:
        return self._transport.credentials

    async def bot_info(self) -> BotInfo:
        answer = await self._transport.call(Call("GET", "/open-apis/bot/v3/info"))
        bot = (answer.model_extra or {}).get("bot")
        bot = bot if isinstance(bot, dict) else {}
        return BotInfo(_told(bot, "open_id"), str(bot.get("app_name") or ""))

    async def reply(
        self, message_id: str, content: Content, *, uuid: str, chat_id: str, in_thread: bool = False
    ) -> str:
        """The id of the new message; in a thread it stays in the thread, whether asked to or not."""
        path = f"{_MESSAGES}/{_part(message_id)}/reply"
        body: Json = {"msg_type": content.msg_type, "content": content.content, "uuid": uuid}
        if in_thread:
            body["reply_in_thread"] = True
        return _told(await self._done("POST", path, body, chat_id=chat_id), "message_id")

    async def send(self, chat_id: str, content: Content, *, uuid: str) -> str:
        """The id of the new message."""
        body = {"receive_id": chat_id, "msg_type": content.msg_type, "content": content.content, "uuid": uuid}
        params = {"receive_id_type": "chat_id"}
        return _told(await self._done("POST", _MESSAGES, body, params=params, chat_id=chat_id), "message_id")

    async def patch_card(self, message_id: str, card: Json, *, chat_id: str) -> None:
        """What a message that is a card shows from now on."""
        await self._done("PATCH", f"{_MESSAGES}/{_part(message_id)}", {"content": written(card)}, chat_id=chat_id)

    async def create_card(self, card: Json) -> str:
        """Its id; nobody sees it before it is sent."""
        return _told(await self._done("POST", _CARDS, _card_json(card)), "card_id")

    async def stream_text(self, card_id: str, element_id: str, text: str, *, sequence: int, uuid: str) -> None:
        """The whole text so far of one element; `sequence` is higher than that of every change before."""
        path = f"/elements/{_part(element_id)}/content"
        await self._change("PUT", card_id, path, {"content": text}, sequence=sequence, uuid=uuid)

    async def set_streaming(self, card_id: str, on: bool, *, sequence: int, uuid: str) -> None:
        settings = {"settings": written({"config": {"streaming_mode": on}})}
        await self._change("PATCH", card_id, "/settings", settings, sequence=sequence, uuid=uuid)

    async def replace_card(self, card_id: str, card: Json, *, sequence: int, uuid: str) -> None:
        await self._change("PUT", card_id, "", {"card": _card_json(card)}, sequence=sequence, uuid=uuid)

    async def message(self, message_id: str) -> list[Message]:
        """The message itself, then those that it forwards."""
        data = await self.get(f"{_MESSAGES}/{_part(message_id)}")
        return [_read(item) for item in _items(data, "items")]

    async def messages(
        self, container_id: str, *, kind: Literal["chat", "thread"] = "chat", since_s: int, until_s: int
    ) -> AsyncIterator[Message]:
        """
        The oldest first; ends when all were given, and raises where they cannot be.

        Of threads a chat has only the messages that they began with.
        """
        params: dict[str, str | int] = {"container_id_type": kind, "container_id": container_id, "page_size": _PAGE}
        params["sort_type"] = "ByCreateTimeAsc"
        if kind == "chat":  # Feishu does not take a range for threads
            params |= {"start_time": since_s, "end_time": until_s}
        async for item in self.pages(_MESSAGES, params):
            message = _read(item)
            if since_s <= message.created_ms // 1000 <= until_s:
                yield message

    async def resource(self, message_id: str, key: str, kind: Literal["image", "file"], *, max_bytes: int) -> Resource:
        """
        Of somebody's message.

        Raises:
            ResourceTooLarge: it has more bytes; what is beyond was not read.
            CallFailed: it cannot be got.
        """
        path = f"{_MESSAGES}/{_part(message_id)}/resources/{_part(key)}"
        return await self.download(path, {"type": kind}, max_bytes=max_bytes)

    async def get(self, path: str, params: Mapping[str, str | int] | None = None) -> Json:
        """What any other reading call gives as `data`; ids in `path` are escaped by the caller."""
        return (await self._transport.call(Call("GET", path, params or {}))).data

    async def pages(
        self, path: str, params: Mapping[str, str | int] | None = None, *, items: str = "items"
    ) -> AsyncIterator[Json]:
        """Each item of a list in pages, of which some may be empty; ends after the last page, or raises."""
        wanted, seen = dict(params or {}), {""}
        while True:
            data = await self.get(path, wanted)
            for item in _items(data, items):
                yield item
            if not data.get("has_more"):
                return
            following = str(data.get("page_token") or data.get("next_page_token") or "")
            if following in seen:
                raise _strange("a list has more, and it does not say where")
            seen.add(following)
            wanted["page_token"] = following

    async def download(self, path: str, params: Mapping[str, str | int] | None = None, *, max_bytes: int) -> Resource:
        """Any other file; raises as `resource`."""
        return await self._transport.download(Call("GET", path, params or {}), max_bytes=max_bytes)

    async def _done(
        self, method: str, path: str, body: Json, *, params: Mapping[str, str | int] | None = None, chat_id: str = ""
    ) -> Json:
        places = (pacing.chat(chat_id),) if chat_id else ()
        return (await self._transport.call(Call(method, path, params or {}, body, places))).data

    async def _change(self, method: str, card_id: str, path: str, body: Json, *, sequence: int, uuid: str) -> None:
        """Of a card; which is done once, also where the answer is lost."""
        call = Call(
            method,
            f"{_CARDS}/{_part(card_id)}{path}",
            body={**body, "sequence": sequence, "uuid": uuid},
            places=(pacing.card(card_id),),
            done_codes=_CHANGED_BEFORE,
        )
        await self._transport.call(call)


@asynccontextmanager
async def open_client(
    credentials: Credentials,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    patience: Patience = USUAL,
) -> AsyncIterator[FeishuClient]:
    """
    With connections that are kept open between calls; to be used on the event loop that opened it.

    Raises:
        Misconfigured: the domain is no address.
    """
    async with open_transport(credentials, clock=clock, sleep=sleep, patience=patience) as transport:
        yield FeishuClient(transport)


def _part(id_: str) -> str:
    """Of a path."""
    return quote(id_, safe="")


def _card_json(card: Json) -> Json:
    return {"type": "card_json", "data": written(card)}


def _told(data: Json, name: str) -> str:
    value = data.get(name)
    if not isinstance(value, str) or not value:
        raise _strange(f"there is no {name} in it")
    return value


def _items(data: Json, name: str) -> list[Json]:
    found = data.get(name) or []
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise _strange(f"{name} is no list")
    return found


def _read(item: Json) -> Message:
    try:
        return message_of(item)
    except ValueError as error:
        raise _strange("a message in it cannot be read") from error


def _strange(why: str) -> PlatformUnavailable:
    return PlatformUnavailable(f"Feishu's answer is not as it is documented: {why}; try again later")
