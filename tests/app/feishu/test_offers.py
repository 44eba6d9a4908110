"""Files that are offered to a collection, and what becomes of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from app.feishu import attachments
from app.feishu.attachments import Files, Images
from ingest.loaders import ocr
from tests.app.feishu.chats import shown, values
from tests.app.feishu.one_life import Life, Living, opened, url_in
from tests.app.feishu.platform import Platform, SentMessage, Trouble
from tests.app.feishu.test_delivery import Desk

DAY_S = 86_400.0
QUOTA_SPENT, NOT_PERMITTED = 99991403, 99991672


class Counter(Desk):
    """Where files are handed in; `taken` are the collections that they went into."""

    def __init__(self, platform: Platform, living: Living, taken: list[str]) -> None:
        super().__init__(platform, living)
        self.taken = taken

    async def offered(self) -> SentMessage:
        """The card about a file of Li's."""
        file = self.platform.file(self.li, self.chat, "notes.md", b"# Notes")
        await self.living.reception.receive(self.platform.event_of(file))
        await self.work()
        return self.replies()[-1]

    async def clicked(self, card: SentMessage, button: int = 0) -> None:
        await self.living.reception.receive(self.platform.click(self.li, card, values(card)[button]))
        async with asyncio.timeout(20):
            await self.work()


@pytest.fixture
async def counter(platform: Platform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Counter]:
    taken: list[str] = []

    async def ingest(files: Any, item: object, message_id: str, key: str, name: str, collection: str, _: str) -> Any:
        await files._client.resource(message_id, key, "file", max_bytes=1000)
        taken.append(collection)
        return SimpleNamespace(error=None, report=None)

    monkeypatch.setattr(Files, "ingest", ingest)
    life = Life(url_in(tmp_path), platform.credentials, platform.bot_open_id)
    async for living in opened(life, now=platform.clock.now):
        yield Counter(platform, living, taken)


async def test_a_file_of_an_old_offer_goes_in_and_a_text_says_so(counter: Counter) -> None:
    card = await counter.offered()
    counter.platform.clock.advance(15 * DAY_S)
    await counter.clicked(card)
    assert counter.taken == ["default"]
    assert [shown(one) for one in counter.replies()[1:]] == [
        "Putting notes.md into the collection default …",
        "notes.md is in the collection default now: ask away.",
    ]


async def test_a_file_of_an_old_offer_can_be_declined(counter: Counter) -> None:
    card = await counter.offered()
    counter.platform.clock.advance(15 * DAY_S)
    await counter.clicked(card, 1)
    assert counter.taken == []
    assert shown(counter.replies()[-1]) == "notes.md was not added."


async def test_a_file_goes_where_its_offer_said_whatever_the_chat_asks_by_then(counter: Counter) -> None:
    card = await counter.offered()
    await counter.living.bot.conversations.choose(counter.chat.chat_id, "other")
    await counter.clicked(card)
    assert counter.taken == ["default"]
    assert "notes.md is in the collection default now" in shown(counter.replies()[0])


async def test_a_file_that_is_offered_again_is_offered_to_the_same_collection(counter: Counter) -> None:
    card = await counter.offered()
    await counter.living.bot.conversations.choose(counter.chat.chat_id, "other")
    offer = await counter.living.inbox.of_reply(card.message_id)
    assert offer is not None
    await counter.living.bot.offers.offer_again(offer, "en")
    assert "Put notes.md into the collection default?" in shown(counter.replies()[0])


# what is not the file's fault


async def test_a_file_is_offered_when_there_are_calls_again(counter: Counter) -> None:
    counter.platform.fail("/resources/", with_=Trouble.error(QUOTA_SPENT), times=2)
    card = await counter.offered()
    assert "Put notes.md into the collection default?" in shown(card)


@pytest.mark.parametrize("code", [QUOTA_SPENT, NOT_PERMITTED])
async def test_a_file_goes_in_when_the_app_may_read_it_again(counter: Counter, code: int) -> None:
    card = await counter.offered()
    counter.platform.fail("/resources/", with_=Trouble.error(code), times=2)
    await counter.clicked(card)
    assert counter.taken == ["default"]
    assert "notes.md is in the collection default now" in shown(counter.replies()[0])


async def test_where_the_app_may_fetch_nothing_people_are_told_and_the_conversation_goes_on(
    counter: Counter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ocr, "is_installed", lambda: True)
    counter.platform.fail("/resources/", with_=Trouble.error(NOT_PERMITTED), times=99)
    for sent in (
        counter.platform.image(counter.li, counter.chat, b"\x89PNG"),
        counter.platform.file(counter.li, counter.chat, "notes.md", b"# Notes"),
        counter.platform.says(counter.li, counter.chat, "How long?"),
    ):
        await counter.living.reception.receive(counter.platform.event_of(sent))
    await counter.work()
    image, file, question = map(shown, counter.replies())
    assert "I may not fetch images and files" in image
    assert image == file
    assert "You asked: How long?" in question


async def test_an_image_is_read_when_there_are_calls_again(counter: Counter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ocr, "is_installed", lambda: True)
    monkeypatch.setattr(attachments, "_recognised", lambda _: "How long?")
    counter.platform.fail("/resources/", with_=Trouble.error(QUOTA_SPENT), times=2)
    image = counter.platform.image(counter.li, counter.chat, b"\x89PNG")
    await counter.living.reception.receive(counter.platform.event_of(image))
    await counter.work()
    assert "You asked: How long?" in shown(counter.replies()[0])


async def test_of_an_image_that_is_too_large_the_limit_is_named(
    counter: Counter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ocr, "is_installed", lambda: True)
    monkeypatch.setattr(Images, "max_mb", 30)
    image = counter.platform.image(counter.li, counter.chat, b"\x89PNG" + bytes(1000))
    await counter.living.reception.receive(counter.platform.event_of(image))
    await counter.work()
    assert shown(counter.replies()[0]).startswith("The image is larger than 30 MB")
