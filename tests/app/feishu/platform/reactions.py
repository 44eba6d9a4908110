"""Emoji on messages."""

from __future__ import annotations

import base64
import secrets
from dataclasses import dataclass
from typing import Literal

from tests.app.feishu.platform.calls import Json, Refused
from tests.app.feishu.platform.clock import Clock


@dataclass(frozen=True, slots=True)
class Reaction:
    reaction_id: str
    message_id: str
    emoji: str
    operator_id: str
    operator_type: Literal["user", "app"]
    at_ms: int

    def view(self) -> Json:
        return {
            "reaction_id": self.reaction_id,
            "operator": {"operator_id": self.operator_id, "operator_type": self.operator_type},
            "action_time": str(self.at_ms),
            "reaction_type": {"emoji_type": self.emoji},
        }


class Reactions:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._all: dict[str, Reaction] = {}

    def add(
        self, message_id: str, emoji: object, operator_id: str, operator_type: Literal["user", "app"]
    ) -> tuple[Reaction, bool]:
        """The reaction, and whether it is new: one operator has an emoji once on a message."""
        if not isinstance(emoji, str) or not emoji.replace("_", "").isalnum():
            raise Refused(231001, "reaction type is invalid.")
        for one in self.of(message_id):
            if (one.emoji, one.operator_id) == (emoji, operator_id):
                return one, False
        id_ = base64.urlsafe_b64encode(secrets.token_bytes(48)).decode()
        found = Reaction(id_, message_id, emoji, operator_id, operator_type, self._clock.now_ms())
        self._all[id_] = found
        return found, True

    def remove(self, message_id: str, reaction_id: str, operator_id: str) -> Reaction:
        found = self._all.get(reaction_id)
        if found is None or found.message_id != message_id:
            raise Refused(231007, "The reaction does not exist.")
        if found.operator_id != operator_id:
            raise Refused(231008, "The operator is not the owner of the reaction.")
        return self._all.pop(reaction_id)

    def of(self, message_id: str) -> list[Reaction]:
        return [one for one in self._all.values() if one.message_id == message_id]
