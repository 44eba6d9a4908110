"""A service, and people of the fake platform who talk to it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from app.factory import create_app
from app.settings import Settings
from tests.app.feishu.platform import Chat, Delivery, Platform, Sender, SentMessage, User
from tests.app.feishu.platform.cardcheck import elements
from tests.app.servers import Service, running, wait_until, wait_until_ready
from tests.fake_openai import FakeOpenAI

ANSWER = ("A ", "card ", "can ", "be ", "returned ", "within ", "15 ", "days ", "for ", "a ", "full ", "refund.")
QUESTION = "Within how many days can a card be returned for a full refund?"
ZH_QUESTION = "LC-200 的工作温度是多少？"


def feishu_settings(platform: Platform, **more: Any) -> Settings:
    return Settings(
        _env_file=None,
        feishu_app_id=platform.app_id,
        feishu_app_secret=SecretStr(platform.app_secret),
        feishu_encrypt_key=SecretStr(platform.encrypt_key),
        feishu_verification_token=SecretStr(platform.verification_token),
        feishu_domain=platform.url,
        **more,
    )


@dataclass(frozen=True, slots=True)
class Room:
    """A running service, and Li, who writes to it."""

    platform: Platform
    service: Service
    model: FakeOpenAI
    sender: Sender
    li: User
    chat: Chat

    def deliver(self, event: dict[str, Any]) -> Delivery:
        return self.sender.deliver_now(event)

    def tell(self, text: str, *, chat: Chat | None = None, user: User | None = None, **more: Any) -> SentMessage:
        """A text of Li's, delivered."""
        message = self.platform.says(user or self.li, chat or self.chat, text, **more)
        assert self.deliver(self.platform.event_of(message)).taken
        return message

    def replies_to(self, message: SentMessage) -> list[SentMessage]:
        return [one for one in self.platform.sent(message.chat_id) if one.parent_id == message.message_id]

    def reply_to(self, message: SentMessage) -> SentMessage:
        """The bot's reply in its last form: no card that is still being written."""
        wait_until(lambda: any(map(is_final, self.replies_to(message))))
        return next(filter(is_final, self.replies_to(message)))

    def ask(self, text: str, **more: Any) -> SentMessage:
        return self.reply_to(self.tell(text, **more))

    def click(self, sent: SentMessage, action: str, *, user: User | None = None) -> Delivery:
        value = next(one for one in values(sent) if one["action"] == action)
        return self.deliver(self.platform.click(user or self.li, self.platform.message(sent.message_id), value))


@contextmanager
def room(settings: Settings, platform: Platform, model: FakeOpenAI) -> Iterator[Room]:
    app = create_app(settings)
    with running(app) as url:
        wait_until_ready(url)
        li = platform.user("Li")
        yield Room(platform, Service(url, app), model, platform.sender(f"{url}/feishu/webhook"), li, platform.p2p(li))


def is_final(sent: SentMessage) -> bool:
    card = sent.card
    return card is None or not card.get("config", {}).get("streaming_mode")


def shown(sent: SentMessage) -> str:
    """All that a card or a text says."""
    if sent.card is None:
        return sent.text or str(sent.content)
    parts = [str(one.get("content", "")) for one in elements(sent.card) if one["tag"] == "markdown"]
    parts += [
        str(one["header"]["title"]["content"]) for one in elements(sent.card) if one["tag"] == "collapsible_panel"
    ]
    return "\n".join(parts)


def values(sent: SentMessage) -> list[dict[str, str]]:
    """Of the buttons."""
    found = [one for one in elements(sent.card or {}) if one["tag"] == "button"]
    return [one["behaviors"][0]["value"] for one in found]


def write_documents(folder: Path, documents: dict[str, str]) -> Path:
    for name, text in documents.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder
