"""What Feishu tells, as larkwise understands it."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field, ValidationError, WrapValidator

from app.feishu.loose import Told


@dataclass(frozen=True, slots=True)
class Mention:
    """Somebody who is named in a message; `key` stands for the name in its text."""

    key: str
    open_id: str
    name: str


@dataclass(frozen=True, slots=True)
class MessageReceived:
    """Somebody has written; `content` is the message's JSON, by its `msg_type`."""

    event_id: str
    message_id: str
    chat_id: str
    chat_type: str
    person: str
    created_ms: int
    msg_type: str
    content: str
    mentions: tuple[Mention, ...] = ()
    root_id: str = ""
    thread_id: str = ""

    @property
    def session(self) -> str:
        """The conversation that it belongs to."""
        return self.thread_id or self.root_id or self.chat_id

    @property
    def is_in_group(self) -> bool:
        return self.chat_type != "p2p"


@dataclass(frozen=True, slots=True)
class Clicked:
    """Somebody has pressed a button of a card; `value` is what we have put into it."""

    event_id: str
    message_id: str
    chat_id: str
    person: str
    value: Mapping[str, str]
    created_ms: int


@dataclass(frozen=True, slots=True)
class Reacted:
    """Somebody has put an emoji on a message."""

    event_id: str
    message_id: str
    person: str
    emoji: str
    created_ms: int


@dataclass(frozen=True, slots=True)
class Recalled:
    """Somebody has taken a message back."""

    event_id: str
    message_id: str
    chat_id: str
    created_ms: int


@dataclass(frozen=True, slots=True)
class Unneeded:
    """Nothing is to be done; `why` is for the log, and `is_unread` where it would be, if it could be read."""

    why: str
    is_unread: bool = False


Event: TypeAlias = MessageReceived | Clicked | Reacted | Recalled | Unneeded


def event_of(payload: Mapping[str, Any]) -> Event:
    """Of a delivery in the form 2.0; what larkwise does not know, or cannot read, is unneeded."""
    try:
        header = _Header.model_validate(payload.get("header"))
        match header.event_type:
            case "im.message.receive_v1":
                return _message(header, _MessageEvent.model_validate(payload.get("event")))
            case "im.message.reaction.created_v1":
                return _reaction(header, _ReactionEvent.model_validate(payload.get("event")))
            case "im.message.recalled_v1":
                recalled = _RecallEvent.model_validate(payload.get("event"))
                return Recalled(header.event_id, recalled.message_id, recalled.chat_id, header.created_ms)
            case "card.action.trigger":
                return _click(header, _ClickEvent.model_validate(payload.get("event")))
            case other:
                return Unneeded(f"an event of type {other[:64]!r}")
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        return Unneeded(f"an event that cannot be read: {where}: {first['msg']}", is_unread=True)


def as_json(event: MessageReceived | Clicked | Reacted | Recalled) -> dict[str, Any]:
    """For keeping it; `message_from` reads a message again."""
    return dataclasses.asdict(event)


def message_from(kept: Mapping[str, Any]) -> MessageReceived:
    mentions = tuple(Mention(**one) for one in kept["mentions"])
    return MessageReceived(**{**kept, "mentions": mentions})


def click_from(kept: Mapping[str, Any]) -> Clicked:
    return Clicked(**kept)


class _Id(Told):
    open_id: str = ""


def _or_zero(value: object, read: Callable[[object], int]) -> int:
    """A time is not worth an event."""
    try:
        return read(value)
    except ValidationError:
        return 0


Milliseconds: TypeAlias = Annotated[int, Field(ge=0, le=2**53), WrapValidator(_or_zero)]


_MICROSECONDS = 10**14
"""Of the year 1973; as milliseconds, of the year 5138."""


class _Header(Told):
    event_id: str = Field(min_length=1, max_length=128)
    event_type: str
    create_time: Milliseconds = 0

    @property
    def created_ms(self) -> int:
        # by its time it is put in order, and looked for in the chat; of a click Feishu tells microseconds
        told = self.create_time // 1000 if self.create_time >= _MICROSECONDS else self.create_time
        return told or time.time_ns() // 10**6


class _Mention(Told):
    key: str = ""
    id: _Id = Field(default_factory=_Id)
    name: str = ""


class _Message(Told):
    message_id: str = Field(min_length=1, max_length=128)
    chat_id: str = Field(min_length=1, max_length=128)
    chat_type: str
    message_type: str
    content: str = ""
    create_time: Milliseconds = 0
    root_id: str | None = Field(None, max_length=128)
    thread_id: str | None = Field(None, max_length=128)
    mentions: list[_Mention] | None = None


class _Sender(Told):
    sender_id: _Id = Field(default_factory=_Id)
    sender_type: str


class _MessageEvent(Told):
    sender: _Sender
    message: _Message


class _Emoji(Told):
    emoji_type: str


class _ReactionEvent(Told):
    message_id: str = Field(max_length=128)
    reaction_type: _Emoji
    operator_type: Literal["user", "app"]
    user_id: _Id | None = None


class _RecallEvent(Told):
    message_id: str = Field(max_length=128)
    chat_id: str = Field("", max_length=128)


class _Action(Told):
    value: dict[str, Any] | None = None


class _Context(Told):
    open_message_id: str = Field("", max_length=128)
    open_chat_id: str = Field("", max_length=128)


class _ClickEvent(Told):
    operator: _Id
    action: _Action
    context: _Context = Field(default_factory=_Context)


def _message(header: _Header, event: _MessageEvent) -> Event:
    if event.sender.sender_type != "user":
        return Unneeded(f"a message by {event.sender.sender_type[:32]!r}, not by a person")
    message = event.message
    return MessageReceived(
        event_id=header.event_id,
        message_id=message.message_id,
        chat_id=message.chat_id,
        chat_type=message.chat_type,
        person=event.sender.sender_id.open_id[:128],
        created_ms=message.create_time or header.created_ms,
        msg_type=message.message_type,
        content=message.content,
        mentions=tuple(Mention(one.key, one.id.open_id, one.name) for one in message.mentions or []),
        root_id=message.root_id or "",
        thread_id=message.thread_id or "",
    )


def _reaction(header: _Header, event: _ReactionEvent) -> Event:
    if event.operator_type != "user" or event.user_id is None:
        return Unneeded("a reaction by an app")
    person = event.user_id.open_id[:128]
    return Reacted(header.event_id, event.message_id, person, event.reaction_type.emoji_type, header.created_ms)


def _click(header: _Header, event: _ClickEvent) -> Event:
    value = {str(name): str(one) for name, one in (event.action.value or {}).items()}
    context = event.context
    person = event.operator.open_id[:128]
    return Clicked(header.event_id, context.open_message_id, context.open_chat_id, person, value, header.created_ms)
