"""Who there is, and where they talk."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import Any, Literal

from tests.app.feishu.platform.calls import Refused


def new_id(prefix: str) -> str:
    return f"{prefix}_{secrets.token_hex(16)}"


@dataclass(frozen=True, slots=True)
class User:
    """A person, or the bot: both can be mentioned."""

    name: str
    open_id: str
    union_id: str
    user_id: str
    is_bot: bool = False

    @property
    def ids(self) -> dict[str, str]:
        return {"union_id": self.union_id, "user_id": self.user_id, "open_id": self.open_id}


@dataclass(slots=True)
class Chat:
    chat_id: str
    chat_type: Literal["p2p", "group"]
    members: list[User]
    name: str = ""
    mode: Literal["group", "topic", "p2p"] = "group"
    has_bot: bool = True


def new_user(name: str, *, is_bot: bool = False) -> User:
    return User(name, new_id("ou"), new_id("on"), "" if is_bot else secrets.token_hex(4), is_bot)


@dataclass(slots=True)
class People:
    tenant_key: str = field(default_factory=lambda: secrets.token_hex(8))
    bot: User = field(default_factory=lambda: new_user("larkwise", is_bot=True))
    users: dict[str, User] = field(default_factory=dict)
    chats: dict[str, Chat] = field(default_factory=dict)

    def add_user(self, name: str) -> User:
        user = new_user(name)
        self.users[user.open_id] = user
        return user

    def p2p(self, user: User) -> Chat:
        """The same chat for the same person, as it is there."""
        for chat in self.chats.values():
            if chat.chat_type == "p2p" and chat.members == [user]:
                return chat
        return self._add(Chat(new_id("oc"), "p2p", [user], mode="p2p"))

    def group(self, users: list[User], name: str, mode: Literal["group", "topic"]) -> Chat:
        return self._add(Chat(new_id("oc"), "group", list(users), name, mode))

    def knows(self, open_id: str) -> bool:
        return open_id in self.users or open_id == self.bot.open_id

    def chat(self, chat_id: str) -> Chat:
        """
        Raises:
            Refused: there is no such chat, or the bot is not in it.
        """
        chat = self.chats.get(chat_id)
        if chat is None:
            raise Refused(230001, "Your request contains an invalid request parameter, ext=invalid receive_id.")
        if not chat.has_bot:
            raise Refused(230002, "Bot/User can NOT be out of the chat.")
        return chat

    def described(self, chat_id: str) -> dict[str, Any]:
        chat = self.chat(chat_id)
        return {
            "name": chat.name,
            "chat_mode": chat.mode,
            "chat_type": "private",
            "group_message_type": "thread" if chat.mode == "topic" else "chat",
            "tenant_key": self.tenant_key,
            "user_count": str(len(chat.members)),
        }

    def _add(self, chat: Chat) -> Chat:
        self.chats[chat.chat_id] = chat
        return chat
