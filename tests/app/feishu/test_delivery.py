"""Replies arrive once: within the hour by their uuid, later by a look into the chat; and in a form that is taken."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app.feishu.delivery import HONOURED_S, Numbers, uuid_of
from app.feishu.inbox import Item
from app.feishu.sessions import Sessions, working
from app.feishu.wire import Content
from tests.app.feishu.chats import is_final, shown
from tests.app.feishu.one_life import QUICK, Life, Living, idle, opened, url_in
from tests.app.feishu.platform import Chat, Platform, SentMessage, Trouble
from tests.app.feishu.test_cards import shown as answer_shown
from tests.app.servers import wait_until

HOUR_S = 3600.0
UNHURRIED = dataclasses.replace(QUICK, lease_s=60)
"""Where an attempt that is cut off in the middle, on a busy machine, would be another case."""


class Desk:
    """A bot whose clock goes with the platform's, and Li."""

    def __init__(self, platform: Platform, living: Living) -> None:
        self.platform = platform
        self.living = living
        self.li = platform.user("Li")
        self.chat = platform.p2p(self.li)

    async def asked(self, text: str = "How long?", *, chat: Chat | None = None, thread_id: str = "") -> SentMessage:
        chat = chat or self.chat
        mentions = [] if chat is self.chat else [self.platform.bot]
        message = self.platform.says(
            self.li, chat, f"{'' if chat is self.chat else '@larkwise '}{text}", mentions=mentions, thread_id=thread_id
        )
        await self.living.reception.receive(self.platform.event_of(message))
        return message

    async def item_of(self, message: SentMessage) -> Item:
        item = await self.living.inbox.of_message(message.message_id)
        assert item is not None
        return item

    async def work(self) -> None:
        async with working(Sessions(self.living.bot, self.living.inbox, QUICK)):
            await idle(self.living.inbox)

    def replies(self, chat: Chat | None = None) -> list[SentMessage]:
        return self.platform.sent((chat or self.chat).chat_id)

    async def sent_and_forgotten(self, message: SentMessage) -> None:
        """The reply has arrived, and the process died before it knew."""
        await self.work()
        await self.living.inbox.change(await self.item_of(message), state="answered", reply_id=None, form="card")


@pytest.fixture
async def desk(platform: Platform, tmp_path: Path) -> AsyncIterator[Desk]:
    life = Life(url_in(tmp_path), platform.credentials, platform.bot_open_id)
    async for living in opened(life, now=platform.clock.now):
        yield Desk(platform, living)


async def test_within_the_hour_a_reply_that_is_sent_again_is_the_same(desk: Desk) -> None:
    message = await desk.asked()
    await desk.sent_and_forgotten(message)
    await desk.work()
    assert len(desk.replies()) == 1
    assert (await desk.item_of(message)).reply_id == desk.replies()[0].message_id


async def test_after_the_hour_the_bot_finds_its_own_reply_in_the_chat(desk: Desk) -> None:
    message = await desk.asked()
    await desk.sent_and_forgotten(message)
    desk.platform.clock.advance(HOUR_S + 1)
    await desk.work()
    [reply] = desk.replies()
    assert (await desk.item_of(message)).reply_id == reply.message_id
    assert is_final(reply)


async def test_after_the_hour_the_bot_finds_its_own_reply_in_a_thread(desk: Desk) -> None:
    group = desk.platform.group([desk.li])
    await desk.asked("first?", chat=group, thread_id="omt_9")
    await desk.work()
    message = await desk.asked("second?", chat=group, thread_id="omt_9")
    await desk.sent_and_forgotten(message)
    desk.platform.clock.advance(HOUR_S + 1)
    await desk.work()
    assert len(desk.replies(group)) == 2


async def test_after_the_hour_a_reply_that_never_arrived_is_sent(desk: Desk) -> None:
    message = await desk.asked()
    item = await desk.item_of(message)
    await desk.living.inbox.change(item, sending_at=desk.platform.clock.now() - HONOURED_S - 1)
    await desk.work()
    assert len(desk.replies()) == 1


async def test_where_the_chat_cannot_be_read_the_person_is_told_so_and_not_answered_twice(desk: Desk) -> None:
    group = desk.platform.group([desk.li])
    desk.platform.scopes.discard("im:message.group_msg")
    message = await desk.asked(chat=group)
    await desk.sent_and_forgotten(message)
    desk.platform.clock.advance(HOUR_S + 1)
    await desk.work()
    first, second = desk.replies(group)
    assert "You asked" in shown(first)
    assert "cannot tell whether my answer has reached you" in shown(second)


async def test_a_reply_whose_answer_was_lost_on_the_way_is_not_sent_twice(desk: Desk) -> None:
    desk.platform.fail("/reply", with_=Trouble.drop_after(), times=1)
    await desk.asked()
    await desk.work()
    assert len(desk.replies()) == 1


async def test_an_outage_keeps_the_answer_until_it_is_over(desk: Desk) -> None:
    outage = desk.platform.fail("/open-apis/", with_=Trouble.http(502), times=25)
    message = await desk.asked()
    await desk.work()
    [reply] = desk.replies()
    assert outage.left == 0
    assert reply.parent_id == message.message_id
    assert is_final(reply)


@pytest.mark.parametrize(
    "trouble",
    [Trouble.error(230099, "ErrCode: 11310; ErrMsg: element exceeds the limit"), Trouble.error(230025, "too long")],
)
async def test_a_card_that_is_not_taken_becomes_rich_text(desk: Desk, trouble: Trouble) -> None:
    desk.platform.fail("/cardkit/v1/cards", with_=trouble, times=9, method="POST")
    await desk.asked()
    await desk.work()
    [reply] = desk.replies()
    assert reply.msg_type == "post"
    assert "You asked: How long?" in shown(reply)


async def test_and_where_rich_text_is_not_taken_either_text(desk: Desk) -> None:
    message = await desk.asked()
    item = await desk.living.inbox.change(await desk.item_of(message), form="post")
    desk.platform.fail("/reply", with_=Trouble.error(230001, "invalid content"))
    await desk.living.bot.deliverer.answer(item, answer_shown(), Numbers(0))
    [reply] = desk.replies()
    assert reply.msg_type == "text"
    assert "15 days" in reply.text


async def test_a_final_card_that_is_not_taken_points_to_the_next_message(desk: Desk) -> None:
    desk.platform.limits.card_elements = 4
    await desk.asked()
    await desk.work()
    card, post = desk.replies()
    assert "The answer is in the next message" in shown(card)
    assert "You asked" not in shown(card)
    assert post.msg_type == "post"
    assert "You asked: How long?" in shown(post)


async def test_a_question_that_is_gone_ends_quietly(desk: Desk) -> None:
    message = await desk.asked()
    desk.platform.delete(message.message_id)
    await desk.work()
    assert not desk.replies()
    assert (await desk.item_of(message)).state == "failed"


async def test_a_chat_that_the_bot_was_taken_out_of_ends_quietly(desk: Desk) -> None:
    group = desk.platform.group([desk.li])
    message = await desk.asked(chat=group)
    desk.platform.remove_bot(group)
    await desk.work()
    assert (await desk.item_of(message)).state == "failed"


async def test_an_answer_that_outlives_its_card_of_ten_minutes_arrives_in_it(desk: Desk) -> None:
    message = await desk.asked()
    desk.platform.fail("/content", with_=Trouble.error(200850, "card streaming timeout"), times=99)
    await desk.work()
    [reply] = desk.replies()
    assert reply.parent_id == message.message_id
    assert "You asked: How long?" in shown(reply)
    assert is_final(reply)


async def test_what_feishu_never_takes_is_given_up_after_a_while_and_the_person_is_told(desk: Desk) -> None:
    message = await desk.asked()
    # when the answer begins, and six times when it is whole
    desk.platform.fail("/reply", with_=Trouble.error(123456, "nobody knows this"), times=7)
    await desk.work()
    assert (await desk.item_of(message)).state == "failed"
    assert "could not be answered" in shown(desk.replies()[-1])


async def test_after_a_day_of_waiting_the_person_is_told_that_it_failed(desk: Desk) -> None:
    message = await desk.asked("/help")
    desk.platform.fail("/reply", with_=Trouble.http(502), times=9999)
    impatient = dataclasses.replace(QUICK, give_up_s=0.3)
    async with working(Sessions(desk.living.bot, desk.living.inbox, impatient)):
        while "could not be answered" not in (await desk.item_of(message)).said:  # noqa: ASYNC110 - it is in the database
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.5)  # nor does Feishu take that
        desk.platform.heal()
        await idle(desk.living.inbox)
    [reply] = desk.replies()
    assert "could not be answered" in shown(reply)


async def test_an_answer_that_is_there_goes_out_after_a_day_as_well(desk: Desk) -> None:
    message = await desk.asked()
    desk.platform.fail("/cardkit/", with_=Trouble.http(502), times=30)
    impatient = dataclasses.replace(QUICK, give_up_s=0.2)
    async with working(Sessions(desk.living.bot, desk.living.inbox, impatient)):
        await idle(desk.living.inbox)
    assert (await desk.item_of(message)).state == "done"
    assert "You asked: How long?" in shown(desk.replies()[-1])


async def test_without_the_permission_for_cards_answers_are_rich_text(desk: Desk) -> None:
    desk.platform.scopes.discard("cardkit:card:write")
    await desk.asked()
    await desk.work()
    [reply] = desk.replies()
    assert reply.msg_type == "post"
    assert "You asked: How long?" in shown(reply)


async def test_what_was_going_to_be_said_is_said_after_a_crash_whatever_would_be_said_now(desk: Desk) -> None:
    message = await desk.asked()
    item = await desk.living.inbox.change(await desk.item_of(message), question="How long?")
    await desk.living.bot.deliverer.text(item, "Too many are asking")
    # the reply has arrived, and the process died before it knew
    await desk.living.inbox.change(await desk.item_of(message), reply_id=None)
    await desk.work()
    [reply] = desk.replies()
    assert reply.text == "Too many are asking"


async def test_another_message_of_the_bot_is_not_taken_for_the_answer(desk: Desk) -> None:
    message = await desk.asked()
    client = desk.living.client
    await client.reply(message.message_id, Content.text("a notice"), uuid="n", chat_id=message.chat_id)
    item = await desk.item_of(message)
    await desk.living.inbox.change(item, sending_at=desk.platform.clock.now() - HOUR_S)
    await desk.work()
    assert [one.msg_type for one in desk.replies()] == ["text", "interactive"]


@pytest.mark.parametrize("trouble", [Trouble.error(99991672, "no permission"), Trouble.http(429)])
async def test_what_was_refused_for_more_than_an_hour_is_sent_when_it_is_taken(desk: Desk, trouble: Trouble) -> None:
    """Nothing had gone out: the bot need not look into the group, which it may not read, nor wonder aloud."""
    desk.platform.scopes.discard("im:message.group_msg")
    group = desk.platform.group([desk.li])
    refusals = desk.platform.fail("/reply", with_=trouble, times=1000)
    await desk.asked("/help", chat=group)
    async with working(Sessions(desk.living.bot, desk.living.inbox, UNHURRIED)):
        await asyncio.to_thread(wait_until, lambda: refusals.left < 992)  # several tries
        desk.platform.clock.advance(HOUR_S)
        desk.platform.heal()
        await idle(desk.living.inbox)
    [reply] = desk.replies(group)
    assert "/new" in reply.text


async def test_what_may_have_been_sent_before_it_was_refused_is_looked_for(desk: Desk) -> None:
    """The first try has arrived, though its answer was lost; the next ones are refused, for more than an hour."""
    desk.platform.fail("/reply", with_=Trouble.drop_after(), times=1)
    refusals = desk.platform.fail("/reply", with_=Trouble.error(99991672, "no permission"), times=1000)
    await desk.asked("/help")
    async with working(Sessions(desk.living.bot, desk.living.inbox, UNHURRIED)):
        await asyncio.to_thread(wait_until, lambda: refusals.left < 995)
        desk.platform.clock.advance(HOUR_S + 1)
        desk.platform.heal()
        await idle(desk.living.inbox)
    assert len(desk.replies()) == 1


async def test_an_answer_that_could_not_be_sent_for_a_while_is_a_card_all_the_same(desk: Desk) -> None:
    desk.platform.fail("/reply", with_=Trouble.error(99991672, "no permission"), times=4)
    await desk.asked()
    await desk.work()
    [reply] = desk.replies()
    assert is_final(reply)


@pytest.mark.parametrize("code", [99991672, 200999])
async def test_where_a_card_cannot_be_made_for_whichever_reason_the_answer_is_rich_text(desk: Desk, code: int) -> None:
    desk.platform.fail("/cardkit/", with_=Trouble.error(code, "nobody knows this"), times=1000)
    await desk.asked()
    await desk.work()
    [reply] = desk.replies()
    assert reply.msg_type == "post"
    assert "You asked: How long?" in shown(reply)


@pytest.mark.parametrize("code", [230019, 230054, 230071])
async def test_where_a_message_takes_no_reply_it_is_answered_in_a_message_of_its_own(desk: Desk, code: int) -> None:
    desk.platform.fail("/reply", with_=Trouble.error(code, "no reply to this"), times=1000)
    await desk.asked()
    await desk.asked("/help")
    await desk.work()
    answer, help_ = desk.replies()
    assert is_final(answer)
    assert (answer.parent_id, help_.parent_id) == ("", "")


async def test_a_conversation_that_nobody_can_be_told_in_goes_on(desk: Desk) -> None:
    message = await desk.asked()
    desk.platform.fail("/reply", with_=Trouble.error(239999, "nobody knows this"), times=40)
    await desk.asked("/help")
    await desk.work()
    assert (await desk.item_of(message)).state == "failed"


async def test_uuids_are_short_and_each_things_own(desk: Desk) -> None:
    first, second = await desk.asked("one?"), await desk.asked("two?")
    items = [await desk.item_of(one) for one in (first, second)]
    uuids = {uuid_of(item, part) for item in items for part in ("card", "post", "text", "card-1234567")}
    assert len(uuids) == 8
    assert all(len(one) <= 50 for one in uuids)
