"""Several processes share one inbox: each conversation is worked on by one of them."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import text

from app.feishu.sessions import Sessions, working
from tests.app.feishu.chats import is_final, shown
from tests.app.feishu.one_life import QUICK, Life, Living, idle, opened, url_in
from tests.app.feishu.platform import Platform, SentMessage


@pytest.fixture
def life(platform: Platform, tmp_path: Path) -> Life:
    return Life(url_in(tmp_path), platform.credentials, platform.bot_open_id)


@pytest.fixture
async def first(life: Life) -> AsyncIterator[Living]:
    async for living in opened(life):
        yield living


@pytest.fixture
async def second(life: Life) -> AsyncIterator[Living]:
    async for living in opened(life):
        yield living


async def asked(platform: Platform, living: Living, text: str, person: str) -> SentMessage:
    li = platform.user(person)
    message = platform.says(li, platform.p2p(li), text)
    await living.reception.receive(platform.event_of(message))
    return message


async def test_two_processes_answer_each_message_once(platform: Platform, first: Living, second: Living) -> None:
    messages = [
        await asked(platform, living, f"Question {number}?", f"Person {number}")
        for number in range(12)
        for living in [(first, second)[number % 2]]
    ]
    async with (
        working(Sessions(first.bot, first.inbox, QUICK)),
        working(Sessions(second.bot, second.inbox, QUICK)),
    ):
        await idle(first.inbox)
    assert sorted(one.parent_id for one in platform.sent()) == sorted(one.message_id for one in messages)
    assert all(map(is_final, platform.sent()))


async def test_stop_is_done_by_the_process_that_writes_the_answer(
    platform: Platform, first: Living, second: Living
) -> None:
    li = platform.user("Li")
    chat = platform.p2p(li)
    question = platform.says(li, chat, "tell me something long " + "and so on " * 200)
    await first.reception.receive(platform.event_of(question))
    async with working(Sessions(first.bot, first.inbox, QUICK)):
        while not platform.sent(chat.chat_id):  # noqa: ASYNC110 - what it waits for is at the platform
            await asyncio.sleep(0.01)
        async with working(Sessions(second.bot, second.inbox, QUICK)):
            stop = platform.says(li, chat, "/stop")
            await second.reception.receive(platform.event_of(stop))
            await idle(first.inbox)
    said = {one.parent_id: shown(one) for one in platform.sent(chat.chat_id)}
    assert "(stopped)" in said[question.message_id]
    assert "Stopped" in said[stop.message_id]


async def test_stop_as_a_reply_reaches_the_process_that_writes_the_answer(
    platform: Platform, first: Living, second: Living
) -> None:
    li = platform.user("Li")
    chat = platform.p2p(li)
    question = platform.says(li, chat, "tell me something long " + "and so on " * 200)
    await first.reception.receive(platform.event_of(question))
    async with working(Sessions(first.bot, first.inbox, QUICK)):
        while not platform.sent(chat.chat_id):  # noqa: ASYNC110 - what it waits for is at the platform
            await asyncio.sleep(0.01)
        stop = platform.says(li, chat, "/stop", root=question)
        await second.reception.receive(platform.event_of(stop))
        async with working(Sessions(second.bot, second.inbox, QUICK)):
            await idle(first.inbox)
    said = {one.parent_id: shown(one) for one in platform.sent(chat.chat_id)}
    assert "(stopped)" in said[question.message_id]
    assert "Stopped" in said[stop.message_id]


async def test_a_conversation_whose_process_is_gone_is_taken_over_when_its_lease_ends(
    platform: Platform, first: Living, second: Living
) -> None:
    message = await asked(platform, first, "How long?", "Li")
    assert await first.inbox.claim(message.chat_id, "a process that is gone", 0.3)
    async with working(Sessions(second.bot, second.inbox, QUICK)):
        await idle(second.inbox)
    assert len(platform.sent()) == 1


async def test_a_process_that_ends_leaves_its_conversations_to_others_at_once(
    platform: Platform, first: Living, second: Living
) -> None:
    message = await asked(platform, first, "long " * 300, "Li")
    async with working(Sessions(first.bot, first.inbox, QUICK)):
        while not platform.sent():  # noqa: ASYNC110 - what it waits for is at the platform
            await asyncio.sleep(0.01)
    assert not await second.inbox.is_leased(message.chat_id, "anybody")
    async with working(Sessions(second.bot, second.inbox, QUICK)):
        await idle(second.inbox)
    [reply] = platform.sent()
    assert is_final(reply)


async def test_a_conversation_is_taken_up_again_only_when_it_was_let_go(
    platform: Platform, first: Living, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = first.inbox.release

    async def slowly(key: str, owner: str) -> None:
        await asyncio.sleep(0.3)
        await release(key, owner)

    monkeypatch.setattr(first.inbox, "release", slowly)
    patient = dataclasses.replace(QUICK, lease_s=60.0)
    li = platform.user("Li")
    chat = platform.p2p(li)
    async with working(Sessions(first.bot, first.inbox, patient)):
        await first.reception.receive(platform.event_of(platform.says(li, chat, "/help")))
        await idle(first.inbox)
        await first.reception.receive(platform.event_of(platform.says(li, chat, "long " * 100)))
        while len(platform.sent()) < 2:  # noqa: ASYNC110 - what it waits for is at the platform
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.5)  # as long as it takes to let go of the conversation
        assert await first.inbox.is_leased(chat.chat_id, "anybody")
        await idle(first.inbox)


async def test_who_is_overtaken_while_it_works_says_nothing_more(
    platform: Platform, first: Living, second: Living
) -> None:
    patient = dataclasses.replace(QUICK, lease_s=60.0)
    message = await asked(platform, first, "long " * 60, "Li")
    async with working(Sessions(first.bot, first.inbox, patient)):
        while not platform.sent():  # noqa: ASYNC110 - what it waits for is at the platform
            await asyncio.sleep(0.01)
        # as if the first one had been asleep for longer than its lease
        async with first.database.session.begin() as session:
            await session.execute(text("UPDATE feishu_sessions SET lease_until = 0"))
        async with working(Sessions(second.bot, second.inbox, patient)):
            await idle(second.inbox)
            await asyncio.sleep(1.5)  # as long as the first one would have written
    [reply] = platform.sent()
    assert is_final(reply)
    assert "Earlier answer" not in shown(reply)
    item = await second.inbox.of_message(message.message_id)
    assert item is not None
    assert len(item.answers) == 1
