"""A service, and people of the fake platform who talk to it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from app.factory import create_app
from app.feishu.texts import say
from app.settings import Settings
from tests.app.feishu.platform import Chat, Delivery, Platform, Sender, SentMessage, User
from tests.app.feishu.platform.cardcheck import elements
from tests.app.servers import Service, running, wait_until, wait_until_ready
from tests.fake_openai import FakeOpenAI, Words

ANSWER = ("A ", "card ", "can ", "be ", "returned ", "within ", "15 ", "days ", "for ", "a ", "full ", "refund.")
QUESTION = "Within how many days can a card be returned for a full refund?"
_WRITING = {say("writing", "zh"), say("writing", "en")}
ZH_QUESTION = "LC-200 的工作温度是多少？"


def bot_settings(platform: Platform, model: FakeOpenAI, data_dir: Path, cache_dir: Path, **more: Any) -> Settings:
    """Of a service that answers in the platform's chats."""
    return Settings(
        _env_file=None,
        data_dir=data_dir,
        cache_dir=cache_dir,
        offline=True,
        llm_provider="openai",
        llm_model="fake",
        llm_base_url=model.url,
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


@dataclass(frozen=True, slots=True)
class House:
    """A running service, for many people."""

    platform: Platform
    service: Service
    model: FakeOpenAI
    sender: Sender

    def room(self) -> Room:
        """A new person in a new chat; what others have planned is over."""
        self.platform.heal()
        self.platform.on_event(None)
        self.platform.limits.chat_qps = 5
        self.model.replies[:] = [Words(ANSWER)]
        self.model.bodies.clear()
        li = self.platform.user("Li")
        return Room(self.platform, self.service, self.model, self.sender, li, self.platform.p2p(li))


@contextmanager
def open_house(settings: Settings, platform: Platform, model: FakeOpenAI) -> Iterator[House]:
    app = create_app(settings)
    with running(app) as url:
        wait_until_ready(url)
        yield House(platform, Service(url, app), model, platform.sender(f"{url}/feishu/webhook"))


def is_final(sent: SentMessage) -> bool:
    """No card that is still being written, or waits for what will stay."""
    config = (sent.card or {}).get("config", {})
    return not config.get("streaming_mode") and config.get("summary", {}).get("content") not in _WRITING


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
