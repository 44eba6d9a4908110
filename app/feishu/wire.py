"""What goes to Feishu and comes back, as larkwise understands it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, field_validator

from app.feishu.events import Mention
from app.feishu.loose import Told

Json: TypeAlias = dict[str, Any]
_MAYBE_HALF = re.compile(rb"\\u[dD][89a-fA-F]")


@dataclass(frozen=True, slots=True)
class Content:
    """What a message says; `content` is JSON, by its `msg_type`."""

    msg_type: str
    content: str

    @classmethod
    def text(cls, text: str) -> Content:
        return cls("text", written({"text": text}))

    @classmethod
    def post(cls, post: Mapping[str, Any]) -> Content:
        """Rich text: `{"en_us": {"title": …, "content": [paragraphs of elements]}}`."""
        return cls("post", written(post))

    @classmethod
    def card(cls, card: Mapping[str, Any]) -> Content:
        """A card that belongs to the message alone."""
        return cls("interactive", written(card))

    @classmethod
    def card_id(cls, card_id: str) -> Content:
        """A card that was created before; it can be sent once."""
        return cls("interactive", written({"type": "card", "data": {"card_id": card_id}}))


@dataclass(frozen=True, slots=True)
class Message:
    """
    As it is read back; `content` is JSON for most types, and what Feishu says instead where the message was recalled.

    `sender_type` is `user` or `app`, and `sender_id` an open_id or the app's id. In `mentions` a bot has its app's id.
    """

    message_id: str
    chat_id: str
    msg_type: str
    content: str
    sender_id: str
    sender_type: str
    parent_id: str
    root_id: str
    thread_id: str
    upper_message_id: str
    created_ms: int
    deleted: bool
    mentions: tuple[Mention, ...]


@dataclass(frozen=True, slots=True)
class Resource:
    """An image or file; `name` is without folders, and empty where Feishu does not tell it."""

    data: bytes
    name: str
    content_type: str


@dataclass(frozen=True, slots=True)
class BotInfo:
    """The bot as people see it."""

    open_id: str
    name: str


def message_of(item: Mapping[str, Any]) -> Message:
    """
    Raises:
        ValueError: it is no message.
    """
    told = _MessageTold.model_validate(item)
    return Message(
        message_id=told.message_id,
        chat_id=told.chat_id,
        msg_type=told.msg_type,
        content=told.body.content,
        sender_id=told.sender.id,
        sender_type=told.sender.sender_type,
        parent_id=told.parent_id,
        root_id=told.root_id,
        thread_id=told.thread_id,
        upper_message_id=told.upper_message_id,
        created_ms=told.create_time,
        deleted=told.deleted,
        mentions=tuple(Mention(one.key, one.id, one.name) for one in told.mentions),
    )


class Answer(BaseModel):
    """The frame of every answer; what else is in it stays in `model_extra`."""

    model_config = ConfigDict(extra="allow", strict=True)

    code: int
    msg: str = ""
    data: Json = Field(default_factory=dict)
    error: Json = Field(default_factory=dict)

    @field_validator("msg", mode="before")
    @classmethod
    def _text(cls, value: object) -> object:
        return value if isinstance(value, str) else ""

    @field_validator("data", "error", mode="before")
    @classmethod
    def _object(cls, value: object) -> object:
        # of no interest where it is none: `data` may be null or "", and what must be there is looked for by name
        return value if isinstance(value, dict) else {}


def answer_of(body: bytes) -> Answer | None:
    """None where it is not of Feishu's API: a page of some gateway in between, or half an answer."""
    try:
        return Answer.model_validate_json(_without_halves(body))
    except (ValueError, RecursionError):  # brackets can be nested deeper than Python likes
        return None


def _without_halves(body: bytes) -> bytes:
    """
    JSON with a question mark for each half of a character.

    Feishu cuts texts where it likes; pydantic takes no half, and nothing could keep it.
    """
    if not _MAYBE_HALF.search(body):
        return body
    return json.dumps(json.loads(body), ensure_ascii=False).encode(errors="replace")


def written(value: Mapping[str, Any]) -> str:
    """JSON in JSON, as Feishu wants cards and contents."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


class _Sender(Told):
    id: str = ""
    sender_type: str = ""


class _Body(Told):
    content: str = ""


class _MentionTold(Told):
    key: str = ""
    id: str = ""
    name: str = ""


class _MessageTold(Told):
    message_id: str
    chat_id: str = ""
    msg_type: str = ""
    create_time: int = 0
    deleted: bool = False
    sender: _Sender = Field(default_factory=_Sender)
    body: _Body = Field(default_factory=_Body)
    parent_id: str = ""
    root_id: str = ""
    thread_id: str = ""
    upper_message_id: str = ""
    mentions: list[_MentionTold] = Field(default_factory=list)
