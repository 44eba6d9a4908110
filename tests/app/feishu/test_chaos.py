"""Hundreds of events, everything goes wrong that can, and the service is killed again and again: one answer each."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.app.feishu.chats import is_final, shown
from tests.app.feishu.platform import Chat, Platform, SentMessage, Trouble, User
from tests.app.servers import wait_until
from tests.fake_openai import Words, fake_openai

PEOPLE, QUESTIONS, KILLS = 24, 8, 4
QUESTION = "Within how many days can a card be returned for a full refund?"
SEED = 20261128


class Service:
    """A process with an address that stays the same, however often it is killed."""

    def __init__(self, platform: Platform, model_url: str, data_dir: Path, cache_dir: Path, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._log = (data_dir.parent / "service.log").open("ab")
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("LARKWISE_")},
            "LARKWISE_DATA_DIR": str(data_dir),
            "LARKWISE_CACHE_DIR": str(cache_dir),
            "LARKWISE_OFFLINE": "true",
            "LARKWISE_PORT": str(port),
            "LARKWISE_LLM_PROVIDER": "openai",
            "LARKWISE_LLM_MODEL": "fake",
            "LARKWISE_LLM_BASE_URL": model_url,
            "LARKWISE_FEISHU_APP_ID": platform.app_id,
            "LARKWISE_FEISHU_APP_SECRET": platform.app_secret,
            "LARKWISE_FEISHU_ENCRYPT_KEY": platform.encrypt_key,
            "LARKWISE_FEISHU_VERIFICATION_TOKEN": platform.verification_token,
            "LARKWISE_FEISHU_DOMAIN": platform.url,
        }
        self.start()

    def start(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "app", "serve"], env=self._environment, stdout=self._log, stderr=self._log
        )

    def kill(self) -> None:
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def is_open(self) -> bool:
        try:
            return httpx.get(f"{self.url}/health/ready", timeout=5).status_code == 200
        except httpx.TransportError:
            return False

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(60)
        self._log.close()


@contextmanager
def serving(platform: Platform, model_url: str, data_dir: Path, cache_dir: Path, port: int) -> Iterator[Service]:
    service = Service(platform, model_url, data_dir, cache_dir, port)
    try:
        yield service
    finally:
        service.close()


def questions(platform: Platform) -> list[tuple[User, Chat, list[SentMessage]]]:
    """Everybody writes some questions, one after the other."""
    asked = []
    for number in range(PEOPLE):
        person = platform.user(f"Person {number}")
        chat = platform.p2p(person)
        written = []
        for question in range(QUESTIONS):
            platform.clock.advance(0.002)
            written.append(platform.says(person, chat, f"{QUESTION} ({question})"))
        asked.append((person, chat, written))
    return asked


async def deliver_all(
    platform: Platform, url: str, messages: list[SentMessage], dice: random.Random
) -> dict[str, float]:
    """
    Mixed up, some twice, some under another event; each until it is taken, as long as Feishu tries.

    When each message was known to be taken, in milliseconds of the platform's clock.
    """
    sender = platform.sender(f"{url}/feishu/webhook", schedule=tuple(float(n) for n in range(1, 60)), scale=1.0)
    events = [platform.event_of(message) for message in messages]
    events += dice.sample(events, len(events) // 4)
    events += [platform.event_of(message) for message in dice.sample(messages, len(messages) // 10)]
    places = sorted(range(len(events)), key=lambda place: place + dice.uniform(0, 30))
    at_once = asyncio.Semaphore(8)

    taken: dict[str, float] = {}

    async def one(event: dict[str, Any]) -> bool:
        async with at_once:
            await asyncio.sleep(dice.uniform(0, 0.5))
            delivery = await sender.deliver(event)
            taken.setdefault(event["event"]["message"]["message_id"], platform.clock.now() * 1000)
            return delivery.taken

    assert all(await asyncio.gather(*(one(events[place]) for place in places)))
    return taken


async def trouble(platform: Platform, service: Service, dice: random.Random, over: asyncio.Event) -> None:
    """The platform and the service fail in turn, until the kills are used up and everything is delivered."""
    kills = 0
    while not (over.is_set() and kills == KILLS):
        await asyncio.sleep(dice.uniform(0.2, 0.6))
        platform.fail("/open-apis/im/", with_=dice.choice(TROUBLES), times=dice.randint(1, 3))
        platform.fail("/cardkit/", with_=dice.choice(TROUBLES), times=dice.randint(1, 3))
        if dice.random() < 0.2:
            platform.revoke_tokens()
        if kills < KILLS and await asyncio.to_thread(service.is_open) and dice.random() < 0.5:
            service.kill()
            service.start()
            kills += 1


TROUBLES = [
    Trouble.http(502),
    Trouble.http(502, after=True),
    Trouble.drop(),
    Trouble.drop_after(),
    Trouble.rate_limited(1),
    Trouble.error(230020, "frequency limit"),
    Trouble.delay(0.3),
]


@pytest.mark.timeout(600)
async def test_every_message_gets_one_answer_in_order_whatever_happens(
    platform: Platform, library: Path, tmp_path: Path, cache_dir: Path, unused_tcp_port: int
) -> None:
    shutil.copytree(library, tmp_path / "var")
    dice = random.Random(SEED)
    asked = questions(platform)
    messages = [message for turn in zip(*(one[2] for one in asked), strict=True) for message in turn]
    with (
        fake_openai(Words(("Within 15 ", "days ", "for a ", "full refund."), gap_s=0.02)) as model,
        serving(platform, model.url, tmp_path / "var", cache_dir, unused_tcp_port) as service,
    ):
        await asyncio.to_thread(wait_until, service.is_open)
        over = asyncio.Event()
        failing = asyncio.create_task(trouble(platform, service, dice, over))
        taken = await deliver_all(platform, service.url, messages, random.Random(SEED))
        over.set()
        await failing
        platform.heal()
        await asyncio.to_thread(wait_until, lambda: is_all_answered(platform, messages))
        await asyncio.sleep(2)  # what would come twice would come now
    for _, chat, written in asked:
        replies = platform.sent(chat.chat_id)
        assert sorted(one.parent_id for one in replies) == sorted(one.message_id for one in written)
        assert all("Within 15 days for a full refund" in shown(one) for one in replies)
        assert not overtaken(replies, [one.message_id for one in written], taken)


def overtaken(replies: list[SentMessage], written: list[str], taken: dict[str, float]) -> list[str]:
    """
    Messages that were taken before the answer to a later one was begun, and were answered after it.

    An answer is begun after the one before it in the chat was sent.
    """
    place = {message_id: number for number, message_id in enumerate(written)}
    return [
        later.parent_id
        for number, reply in enumerate(replies[1:], start=1)
        for later in replies[number + 1 :]
        if place[later.parent_id] < place[reply.parent_id] and taken[later.parent_id] < replies[number - 1].created_ms
    ]


def is_all_answered(platform: Platform, messages: list[SentMessage]) -> bool:
    answered = {one.parent_id for one in platform.sent() if is_final(one)}
    return answered >= {one.message_id for one in messages}
