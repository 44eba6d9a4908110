"""Messages, as they lie in their chats."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from tests.app.feishu.platform.calls import Json, Refused
from tests.app.feishu.platform.clock import Clock
from tests.app.feishu.platform.people import User, new_id

UNREADABLE_CARD = {"title": None, "elements": [[{"tag": "text", "text": "请升级至最新版本客户端，以查看内容"}]]}
"""What a card of schema 2.0 becomes when it is read back."""


@dataclass(frozen=True, slots=True)
class Mention:
    key: str
    user: User


@dataclass(slots=True)
class SentMessage:
    """Of a person or of the bot; what tests get is a copy."""

    message_id: str
    chat_id: str
    msg_type: str
    content: Json
    created_ms: int
    sender_id: str
    sender_type: Literal["user", "app"]
    uuid: str = ""
    parent_id: str = ""
    root_id: str = ""
    thread_id: str = ""
    card_id: str = ""
    deleted: bool = False
    mentions: tuple[Mention, ...] = ()
    upper_message_id: str = ""
    updated_ms: int = 0
    card: Json | None = None
    """What an interactive message shows now."""
    patches: list[Json] = field(default_factory=list)
    """Each card that it was given by PATCH."""

    @property
    def text(self) -> str:
        """Of a text message, with placeholders for mentions."""
        return str(self.content.get("text", ""))

    @property
    def raw_content(self) -> str:
        if self.msg_type == "merge_forward":
            return "Merged and Forwarded Message"
        return json.dumps(self.content, ensure_ascii=False)

    @property
    def is_reply_in_thread(self) -> bool:
        return bool(self.thread_id and self.root_id)


class Messages:
    """All of them, in the order in which they came."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._all: dict[str, SentMessage] = {}

    def add(self, message: SentMessage) -> SentMessage:
        self._all[message.message_id] = message
        return message

    def new(
        self, chat_id: str, msg_type: str, content: Json, *, sender_id: str, sender_type: Literal["user", "app"]
    ) -> SentMessage:
        now = self._clock.now_ms()
        return SentMessage(new_id("om"), chat_id, msg_type, content, now, sender_id, sender_type, updated_ms=now)

    def all(self, chat_id: str | None = None) -> list[SentMessage]:
        """But for the children of forwarded bundles."""
        return [
            one
            for one in self._all.values()
            if not one.upper_message_id and (chat_id is None or one.chat_id == chat_id)
        ]

    def find(self, message_id: str) -> SentMessage | None:
        return self._all.get(message_id)

    def get(self, message_id: str) -> SentMessage:
        """
        Raises:
            Refused: there is none with this id.
        """
        found = self.find(message_id)
        if found is None:
            raise Refused(230001, "Your request contains an invalid request parameter, ext=invalid message_id.")
        return found

    def alive(self, message_id: str) -> SentMessage:
        """
        Raises:
            Refused: there is none with this id, or it was recalled.
        """
        found = self.get(message_id)
        if found.deleted:
            raise Refused(230011, "The message was withdrawn.")
        return found

    def children(self, message_id: str) -> list[SentMessage]:
        return [one for one in self._all.values() if one.upper_message_id == message_id]

    def in_thread(self, thread_id: str) -> list[SentMessage]:
        return [one for one in self._all.values() if one.thread_id == thread_id]

    def attach(self, message: SentMessage, target: SentMessage, *, in_thread: bool) -> None:
        """Make it a reply; a thread takes its replies in, whether they ask for it or not."""
        root = self._all.get(target.root_id, target)
        if in_thread and not target.thread_id:
            root = target
            target.thread_id = new_id("omt")
        message.thread_id = target.thread_id
        message.root_id = root.message_id
        message.parent_id = root.message_id if message.thread_id else target.message_id


def placeholders(text: str, mentions: tuple[User, ...]) -> tuple[str, tuple[Mention, ...]]:
    """`@Li hello` becomes `@_user_1 hello`; who is not named in the text is put before it."""
    found = []
    for number, user in enumerate(mentions, start=1):
        key = f"@_user_{number}"
        text = text.replace(f"@{user.name}", key, 1) if f"@{user.name}" in text else f"{key} {text}"
        found.append(Mention(key, user))
    return text, tuple(found)


def view(message: SentMessage, tenant_key: str, *, cards_as_sent: bool = False) -> Json:
    """As the platform gives it back; `create_time` is text, a recalled message keeps no content."""
    is_app = message.sender_type == "app"
    seen: Json = {
        "message_id": message.message_id,
        "msg_type": message.msg_type,
        "create_time": str(message.created_ms),
        "update_time": str(message.updated_ms),
        "deleted": message.deleted,
        "updated": bool(message.patches),
        "chat_id": message.chat_id,
        "sender": {
            "id": message.sender_id,
            "id_type": "app_id" if is_app else "open_id",
            "sender_type": message.sender_type,
            "tenant_key": tenant_key,
        },
        "body": {"content": _content_seen(message, cards_as_sent=cards_as_sent)},
    }
    for name in ("root_id", "parent_id", "thread_id", "upper_message_id"):
        if value := getattr(message, name):
            seen[name] = value
    if message.mentions:
        seen["mentions"] = [_mention_seen(one, tenant_key) for one in message.mentions]
    return seen


def snapshot(message: SentMessage, card: Mapping[str, Any] | None) -> SentMessage:
    copied = copy.deepcopy(message)
    copied.card = dict(copy.deepcopy(card)) if card is not None else None
    return copied


def _mention_seen(mention: Mention, tenant_key: str) -> Json:
    """Flatter than in an event."""
    user = mention.user
    return {"key": mention.key, "id": user.open_id, "id_type": "open_id", "name": user.name, "tenant_key": tenant_key}


def _content_seen(message: SentMessage, *, cards_as_sent: bool) -> str:
    if message.deleted:
        return "This message was recalled"
    if message.msg_type == "interactive" and not cards_as_sent:
        return json.dumps(UNREADABLE_CARD, ensure_ascii=False)
    if message.msg_type == "post" and message.sender_type == "app":
        # it was sent with a language around it, and comes back without
        return json.dumps(next(iter(message.content.values())), ensure_ascii=False)
    return message.raw_content
