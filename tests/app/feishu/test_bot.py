"""What the bot makes of a message, and in which language it speaks; without a model, and on a clock of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app.feishu.asking import RECALLED
from app.feishu.attachments import Images
from app.feishu.bot import MAX_ATTEMPTS
from app.feishu.reception import Reception
from app.feishu.sessions import Sessions, working
from ingest.loaders import ocr
from tests.app.feishu.chats import is_final, shown, values
from tests.app.feishu.one_life import Life, idle, opened, url_in
from tests.app.feishu.platform import Chat, Platform, SentMessage, Trouble, User
from tests.app.feishu.test_delivery import UNHURRIED, Desk

DAY_S = 86_400.0
CENSORED, UNKNOWN = 230028, 239999
CHANGES = 1
"""Of a card, before the one that stays: it is emptied for what is streamed."""


class Chats(Desk):
    """With other people than Li in them."""

    async def says(self, text: str, chat: Chat, user: User) -> SentMessage:
        """In a group, to the bot."""
        message = self.platform.says(user, chat, f"@larkwise {text}", mentions=[self.platform.bot])
        await self.living.reception.receive(self.platform.event_of(message))
        return message

    async def regenerated(self, card: SentMessage) -> None:
        """Li wants another answer."""
        [*_, button] = values(card)
        await self.living.reception.receive(self.platform.click(self.li, card, button))
        await self.work()

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


# what Feishu does not let through


async def test_a_text_that_is_not_let_through_is_said_to_be_so(desk: Chats) -> None:
    message = await desk.asked("/help")
    desk.platform.fail("/reply", with_=Trouble.error(CENSORED))
    await desk.work()
    assert "Feishu does not let this answer through" in desk.said_to(message)
    assert (await desk.item_of(message)).state == "failed"


@pytest.mark.parametrize("code", [CENSORED, UNKNOWN])
async def test_another_answer_that_is_not_let_through_leaves_the_first_and_comes_as_a_text(
    desk: Chats, code: int
) -> None:
    await desk.asked()
    await desk.work()
    [card] = desk.replies()
    before = shown(card)
    # what is streamed is taken, and what would stay is not
    desk.platform.fail(f"/cards/{card.card_id}", with_=Trouble.error(code), method="PUT", times=1, skip=CHANGES)
    await desk.regenerated(card)
    after = desk.platform.message(card.message_id)
    assert (shown(after), is_final(after)) == (before, True)
    assert len(values(after)) == 3
    [text] = desk.replies()[1:]
    assert shown(text).startswith("You asked: How long?")
    assert "Confidence 50%" in shown(text)


async def test_where_nothing_of_another_answer_is_let_through_that_is_said(desk: Chats) -> None:
    await desk.asked()
    await desk.work()
    [card] = desk.replies()
    desk.platform.fail(f"/cards/{card.card_id}", with_=Trouble.error(CENSORED), method="PUT", times=1, skip=CHANGES)
    desk.platform.fail("/reply", with_=Trouble.error(CENSORED))
    await desk.regenerated(card)
    assert "Feishu does not let this answer through" in shown(desk.replies()[1])


# words with a picture


async def test_words_are_answered_where_the_picture_beside_them_cannot_be_read(
    desk: Chats, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ocr, "is_installed", lambda: False)
    parts = [[{"tag": "text", "text": "How long?"}], [{"tag": "img", "image_key": "img_1"}]]
    message = desk.platform.says(desk.li, desk.chat, content={"title": "", "content": parts}, msg_type="post")
    await desk.living.reception.receive(desk.platform.event_of(message))
    await desk.work()
    assert "You asked: How long?" in desk.said_to(message)
    assert "The image cannot be read" in desk.said_to(message)


# stop


async def test_stop_ends_what_nobody_has_begun_to_answer(desk: Chats) -> None:
    question = await desk.asked()
    stop = await desk.asked("/stop")
    following = await desk.asked("How far?")
    await desk.work()
    assert "stopped" in desk.said_to(question)
    assert "You asked" not in desk.said_to(question)
    assert desk.said_to(stop) == "Stopped."
    assert "You asked: How far?" in desk.said_to(following)


async def test_stop_ends_an_answer_whose_image_is_still_being_read(
    desk: Chats, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_reading, stopped = asyncio.Event(), asyncio.Event()

    async def slowly(*_: object) -> str:
        is_reading.set()
        await stopped.wait()
        return "How long?"

    monkeypatch.setattr(Images, "text", slowly)
    image = desk.platform.image(desk.li, desk.chat, b"\x89PNG")
    await desk.living.reception.receive(desk.platform.event_of(image))
    async with working(Sessions(desk.living.bot, desk.living.inbox, UNHURRIED)):
        await is_reading.wait()
        stop = await desk.asked("/stop")
        while (await desk.item_of(stop)).state != "done":  # noqa: ASYNC110 - it is in the database
            await asyncio.sleep(0.01)
        stopped.set()
        await idle(desk.living.inbox)
    assert desk.said_to(image) == "(stopped)"
    assert desk.said_to(stop) == "Stopped."


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
