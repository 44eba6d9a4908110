"""What the bot makes of a message, and in which language it speaks; without a model, and on a clock of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app.feishu.asking import RECALLED
from app.feishu.bot import MAX_ATTEMPTS
from app.feishu.reception import Reception
from tests.app.feishu.chats import shown
from tests.app.feishu.one_life import Life, opened, url_in
from tests.app.feishu.platform import Chat, Platform, SentMessage, Trouble, User
from tests.app.feishu.test_delivery import Desk

DAY_S = 86_400.0


class Chats(Desk):
    """With other people than Li in them."""

    async def says(self, text: str, chat: Chat, user: User) -> SentMessage:
        """In a group, to the bot."""
        message = self.platform.says(user, chat, f"@larkwise {text}", mentions=[self.platform.bot])
        await self.living.reception.receive(self.platform.event_of(message))
        return message

    def said_to(self, message: SentMessage) -> str:
        [reply] = [one for one in self.platform.sent(message.chat_id) if one.parent_id == message.message_id]
        return shown(reply)


@pytest.fixture
async def desk(platform: Platform, tmp_path: Path) -> AsyncIterator[Chats]:
    life = Life(url_in(tmp_path), platform.credentials, platform.bot_open_id)
    async for living in opened(life, now=platform.clock.now):
        yield Chats(platform, living)


async def test_people_who_are_named_in_a_forwarded_message_keep_their_names(desk: Chats) -> None:
    wang = desk.platform.user("Wang")
    group = desk.platform.group([desk.li, wang])
    told = desk.platform.says(desk.li, group, "@larkwise what did @Wang write?", mentions=[desk.platform.bot, wang])
    bundle = desk.platform.forwards(desk.li, desk.chat, [told])
    await desk.living.reception.receive(desk.platform.event_of(bundle))
    await desk.work()
    assert "You asked: what did @Wang write?" in shown(desk.replies()[0])


async def test_forwarded_messages_are_read_when_there_are_calls_again(desk: Chats) -> None:
    told = desk.platform.says(desk.li, desk.chat, "How long?")
    bundle = desk.platform.forwards(desk.li, desk.chat, [told])
    desk.platform.fail(bundle.message_id, with_=Trouble.error(99991403), method="GET", times=2)
    await desk.living.reception.receive(desk.platform.event_of(bundle))
    await desk.work()
    assert "You asked: How long?" in shown(desk.replies()[0])


async def test_in_a_group_a_command_is_answered_in_the_language_of_whoever_gives_it(desk: Chats) -> None:
    bob = desk.platform.user("Bob")
    group = desk.platform.group([desk.li, bob])
    await desk.says("退款期限是多久？", group, desk.li)
    await desk.says("How long is the warranty?", group, bob)
    of_li = await desk.says("/help", group, desk.li)
    of_bob = await desk.says("/help", group, bob)
    await desk.work()
    assert "直接提问即可" in desk.said_to(of_li)
    assert "Just ask" in desk.said_to(of_bob)


async def test_who_has_asked_nothing_is_answered_in_the_language_of_the_chat(desk: Chats) -> None:
    bob = desk.platform.user("Bob")
    group = desk.platform.group([desk.li, bob])
    await desk.says("退款期限是多久？", group, desk.li)
    message = await desk.says("/help", group, bob)
    await desk.work()
    assert "直接提问即可" in desk.said_to(message)


async def test_a_chinese_word_after_a_command_says_the_language_and_a_latin_name_does_not(desk: Chats) -> None:
    chinese = await desk.asked("/kb 手册")
    await desk.asked("退款期限是多久？")
    latin = await desk.asked("/kb handbook")
    await desk.work()
    assert "没有名为“手册”的知识库" in desk.said_to(chinese)
    assert "没有名为“handbook”的知识库" in desk.said_to(latin)


# what is said while the bot does not know itself


async def test_what_a_group_said_before_the_bot_knew_itself_counts_for_nothing_and_is_not_kept(desk: Chats) -> None:
    group = desk.platform.group([desk.li])
    unknowing = Reception(desk.living.inbox, desk.living.database, lambda: "")
    chatter = [desk.platform.says(desk.li, group, text) for text in ["Lunch?"] * 30 + ["/stop"]]
    question = desk.platform.says(desk.li, group, "@larkwise How long?", mentions=[desk.platform.bot])
    for message in (*chatter, question):
        await unknowing.receive(desk.platform.event_of(message))
    await desk.work()
    assert [one.parent_id for one in desk.replies(group)] == [question.message_id]
    assert [await desk.living.inbox.of_message(one.message_id) for one in chatter] == [None] * len(chatter)


# cards that cannot be changed


async def test_a_question_that_is_taken_back_under_an_old_card_holds_nothing_up(desk: Chats) -> None:
    message = await desk.asked()
    await desk.work()
    await desk.living.inbox.change(await desk.item_of(message), state="waiting", outcome=RECALLED)
    desk.platform.clock.advance(15 * DAY_S)
    following = await desk.asked("/help")
    async with asyncio.timeout(20):
        await desk.work()
    assert (await desk.item_of(message)).state == "done"
    assert "Just ask" in desk.said_to(following)


@pytest.mark.parametrize("code", [230031, 234037])
async def test_what_is_no_outage_is_given_up_after_some_tries(desk: Chats, code: int) -> None:
    message = await desk.asked("/help")
    desk.platform.fail("/reply", with_=Trouble.error(code), times=999)
    async with asyncio.timeout(20):
        await desk.work()
    item = await desk.item_of(message)
    assert item.state == "failed"
    assert item.attempts == MAX_ATTEMPTS + 1
