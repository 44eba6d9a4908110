"""Files that are offered to a collection, and what becomes of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from app.feishu.attachments import Files
from tests.app.feishu.chats import shown, values
from tests.app.feishu.one_life import Life, Living, opened, url_in
from tests.app.feishu.platform import Platform, SentMessage
from tests.app.feishu.test_delivery import Desk

DAY_S = 86_400.0


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

    async def ingest(*args: Any) -> Any:
        taken.append(args[-2])
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
