"""What people do in their chats."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from tests.app.feishu.platform.calls import Json
from tests.app.feishu.platform.cardcheck import elements
from tests.app.feishu.platform.messages import SentMessage, placeholders
from tests.app.feishu.platform.people import Chat, User
from tests.app.feishu.platform.state import State


class Chatting:
    """Nothing of this is delivered: `event_of` and the others make the event, a sender delivers it."""

    def __init__(self, state: State) -> None:
        self.state = state

    @property
    def bot(self) -> User:
        return self.state.people.bot

    @property
    def bot_open_id(self) -> str:
        return self.bot.open_id

    def on_event(self, listener: Callable[[Json], object] | None) -> None:
        """Is told the events that the bot's own calls cause, in a thread of its own."""
        self.state.on_event = listener

    def user(self, name: str) -> User:
        with self.state.lock:
            return self.state.people.add_user(name)

    def p2p(self, user: User) -> Chat:
        with self.state.lock:
            return self.state.people.p2p(user)

    def group(self, users: Sequence[User], *, name: str = "a group", mode: Literal["group", "topic"] = "group") -> Chat:
        with self.state.lock:
            return self.state.people.group(list(users), name, mode)

    def remove_bot(self, chat: Chat) -> None:
        with self.state.lock:
            self.state.people.chats[chat.chat_id].has_bot = False

    def says(
        self,
        user: User,
        chat: Chat,
        text: str | None = None,
        *,
        content: Mapping[str, Any] | None = None,
        msg_type: str = "text",
        mentions: Sequence[User] = (),
        root: SentMessage | None = None,
        thread_id: str = "",
    ) -> SentMessage:
        """
        A message of a person, as it lies in the chat.

        `root` makes it a reply to that message; `thread_id` puts it into a thread, which it begins where there is none.
        """
        put, named = placeholders(text or "", tuple(mentions))
        body = dict(content) if content is not None else {"text": put}
        with self.state.lock:
            messages = self.state.messages
            message = messages.new(chat.chat_id, msg_type, body, sender_id=user.open_id, sender_type="user")
            message.mentions = named
            target = messages.get(root.message_id) if root else next(iter(messages.in_thread(thread_id)), None)
            if target is not None and (root or thread_id):
                target.thread_id = target.thread_id or thread_id
                messages.attach(message, target, in_thread=bool(thread_id))
            else:
                message.thread_id = thread_id
            return self.state.shown(messages.add(message))

    def image(self, user: User, chat: Chat, data: bytes) -> SentMessage:
        return self.says(user, chat, content={"image_key": self.image_key(data)}, msg_type="image")

    def file(self, user: User, chat: Chat, name: str, data: bytes) -> SentMessage:
        content = {"file_key": self.file_key(name, data), "file_name": name}
        return self.says(user, chat, content=content, msg_type="file")

    def image_key(self, data: bytes) -> str:
        """For an image within a `post`."""
        with self.state.lock:
            return self.state.resources.keep(data, "image")

    def file_key(self, name: str, data: bytes) -> str:
        with self.state.lock:
            return self.state.resources.keep(data, "file", name=name)

    def forwards(self, user: User, chat: Chat, messages: Sequence[SentMessage]) -> SentMessage:
        """A bundle of messages; reading it gives them after it, and their images cannot be had."""
        bundle = self.says(user, chat, content={"content": "Merged and Forwarded Message"}, msg_type="merge_forward")
        with self.state.lock:
            for one in messages:
                child = self.state.messages.new(
                    one.chat_id, one.msg_type, one.content, sender_id=one.sender_id, sender_type=one.sender_type
                )
                child.created_ms, child.mentions = one.created_ms, one.mentions
                child.upper_message_id = bundle.message_id
                self.state.messages.add(child)
        return bundle

    def event_of(self, message: SentMessage) -> Json:
        """`im.message.receive_v1`; each call makes another event id for the same message."""
        with self.state.lock:
            chat = self.state.people.chats[message.chat_id]
            sender = self.state.people.users.get(message.sender_id)
            return self.state.events.of_message(message, chat, sender)

    def buttons(self, message: SentMessage) -> list[Json]:
        """Those of the card that the message shows now."""
        with self.state.lock:
            shown = self.state.shown(self.state.messages.get(message.message_id)).card or {}
        return [one for one in elements(shown) if one["tag"] == "button"]

    def click(
        self, user: User, message: SentMessage, value: Mapping[str, Any], *, name: str = "", forged: bool = False
    ) -> Json:
        """
        `card.action.trigger`.

        A button of the card must have this value, and the card must not be streaming, for then Feishu switches its
        buttons off; `forged` does without.
        """
        if not forged:
            values = [one.get("value") for button in self.buttons(message) for one in button.get("behaviors") or []]
            assert dict(value) in values, f"no button has {json.dumps(value)}, but {values}"
            with self.state.lock:
                card_id = self.state.messages.get(message.message_id).card_id
                assert not card_id or not self.state.cards.get(card_id).streaming, "the card is streaming"
        with self.state.lock:
            return self.state.events.click(user, message, value, tag="button", name=name)

    def reacts(self, user: User, message: SentMessage, emoji: str) -> Json:
        """`im.message.reaction.created_v1`"""
        with self.state.lock:
            reaction, _ = self.state.reactions.add(message.message_id, emoji, user.open_id, "user")
            return self.state.events.reaction(reaction, user)

    def recalls(self, message: SentMessage) -> Json:
        """`im.message.recalled_v1`; the message is gone."""
        self.delete(message.message_id)
        with self.state.lock:
            return self.state.events.recall(message)

    def delete(self, message_id: str) -> None:
        """Without an event."""
        with self.state.lock:
            self.state.messages.get(message_id).deleted = True
