"""What Feishu tells an app: the events of schema 2.0."""

from __future__ import annotations

import copy
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.app.feishu.platform.calls import Json, Refused
from tests.app.feishu.platform.clock import Clock
from tests.app.feishu.platform.messages import SentMessage
from tests.app.feishu.platform.people import Chat, People, User
from tests.app.feishu.platform.reactions import Reaction

CLICK_TOKEN_LIFE_S = 1800.0
CLICK_TOKEN_USES = 2


@dataclass(slots=True)
class ClickToken:
    """What lets a card be changed after a click."""

    message_id: str
    until: float
    left: int = CLICK_TOKEN_USES


@dataclass(slots=True)
class Events:
    app_id: str
    verification_token: str
    people: People
    clock: Clock
    tokens: dict[str, ClickToken] = field(default_factory=dict)

    def envelope(self, event_type: str, event: Json) -> Json:
        """Each call makes another event id."""
        return {
            "schema": "2.0",
            "header": {
                "event_id": secrets.token_hex(16),
                "event_type": event_type,
                "create_time": str(self.clock.now_ms()),
                "token": self.verification_token,
                "app_id": self.app_id,
                "tenant_key": self.people.tenant_key,
            },
            "event": event,
        }

    def of_message(self, message: SentMessage, chat: Chat, sender: User | None) -> Json:
        """`sender` is None for an app's message."""
        told: Json = {
            "message_id": message.message_id,
            "create_time": str(message.created_ms),
            "update_time": str(message.updated_ms),
            "chat_id": message.chat_id,
            "chat_type": chat.chat_type,
            "message_type": message.msg_type,
            "content": _content(message),
            "user_agent": "Mozilla/5.0",
        }
        for name in ("root_id", "parent_id", "thread_id"):
            if value := getattr(message, name):
                told[name] = value
        if message.mentions:
            told["mentions"] = [self._mention(one.key, one.user) for one in message.mentions]
        ids = sender.ids if sender else {"union_id": "", "user_id": "", "open_id": message.sender_id}
        from_whom = {
            "sender_id": ids,
            "sender_type": message.sender_type,
            "tenant_key": self.people.tenant_key,
        }
        return self.envelope("im.message.receive_v1", {"sender": from_whom, "message": told})

    def click(self, user: User, message: SentMessage, value: Mapping[str, Any], *, tag: str, name: str) -> Json:
        """With a token that lets the card be changed twice within 30 minutes."""
        token = f"c-{secrets.token_hex(20)}"
        self.tokens[token] = ClickToken(message.message_id, self.clock.now() + CLICK_TOKEN_LIFE_S)
        action: Json = {"value": copy.deepcopy(dict(value)), "tag": tag, "timezone": "Asia/Shanghai"}
        if name:
            action["name"] = name
        event = {
            "operator": {"tenant_key": self.people.tenant_key, **user.ids},
            "token": token,
            "action": action,
            "host": "im_message",
            "context": {"open_message_id": message.message_id, "open_chat_id": message.chat_id},
        }
        clicked = self.envelope("card.action.trigger", event)
        clicked["header"]["create_time"] += "000"  # unlike other events it comes with microseconds
        return clicked

    def use(self, token: object) -> str:
        """The message whose card a click's token lets change."""
        found = self.tokens.get(token) if isinstance(token, str) else None
        if found is None or found.left < 1 or found.until <= self.clock.now():
            raise Refused(10002, "token is invalid, expired or used up")
        found.left -= 1
        return found.message_id

    def reaction(self, reaction: Reaction, user: User | None, *, deleted: bool = False) -> Json:
        event: Json = {
            "message_id": reaction.message_id,
            "reaction_type": {"emoji_type": reaction.emoji},
            "operator_type": reaction.operator_type,
            "action_time": str(reaction.at_ms),
        }
        if user is not None:
            event["user_id"] = user.ids
        else:
            event["app_id"] = self.app_id
        return self.envelope(f"im.message.reaction.{'deleted' if deleted else 'created'}_v1", event)

    def recall(self, message: SentMessage) -> Json:
        event = {
            "message_id": message.message_id,
            "chat_id": message.chat_id,
            "recall_time": str(self.clock.now_ms()),
            "recall_type": "message_owner",
        }
        return self.envelope("im.message.recalled_v1", event)

    def _mention(self, key: str, user: User) -> Json:
        return {
            "key": key,
            "id": user.ids,
            "mentioned_type": "bot" if user.is_bot else "user",
            "name": user.name,
            "tenant_key": self.people.tenant_key,
        }


def _content(message: SentMessage) -> str:
    if message.msg_type == "merge_forward":
        return '{"content":"Merged and Forwarded Message"}'
    return message.raw_content
