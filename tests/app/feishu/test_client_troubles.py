"""Each call is done, once, whatever happens in between."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from app.feishu.client import FeishuClient, open_client
from app.feishu.credentials import Credentials
from app.feishu.errors import CardProblem, Misconfigured, PlatformUnavailable, RateLimited
from app.feishu.patience import Patience
from app.feishu.wire import Content
from tests.app.feishu.odd_server import OK, json_answer, odd_server, plainly
from tests.app.feishu.platform import Chat, Platform, SentMessage, Trouble, User
from tests.app.feishu.virtual_time import SharedTime, until

SEND = "/open-apis/im/v1/messages"


def card(text: str, *, streaming: bool = False) -> dict[str, Any]:
    return {
        "schema": "2.0",
        "config": {"streaming_mode": streaming, "update_multi": True},
        "body": {"elements": [{"tag": "markdown", "element_id": "answer", "content": text}]},
    }


@pytest.fixture
def time(platform: Platform) -> SharedTime:
    return SharedTime(platform)


@pytest.fixture
async def client(platform: Platform, time: SharedTime) -> AsyncIterator[FeishuClient]:
    async with open_client(platform.credentials, clock=time.now, sleep=time.sleep) as client:
        yield client


@pytest.fixture
def li(platform: Platform) -> User:
    return platform.user("Li")


@pytest.fixture
def chat(platform: Platform, li: User) -> Chat:
    return platform.group([li])


@pytest.fixture
def question(platform: Platform, li: User, chat: Chat) -> SentMessage:
    return platform.says(li, chat, "@larkwise What is it?", mentions=[platform.bot])


async def test_a_bad_gateway_delays_a_message_and_does_not_double_it(
    client: FeishuClient, platform: Platform, question: SentMessage, time: SharedTime
) -> None:
    platform.fail("/reply", times=3, with_=Trouble.http(502))

    await client.reply(question.message_id, Content.text("so"), uuid="u1", chat_id=question.chat_id)

    assert [message.text for message in platform.sent()] == ["so"]
    assert {call.body["uuid"] for call in platform.calls("/reply")} == {"u1"}
    first, second, third = time.slept
    assert first < second < third


@pytest.mark.parametrize("trouble", [Trouble.drop_after(), Trouble.http(502, after=True)])
async def test_a_message_of_which_no_answer_came_is_there_once(
    client: FeishuClient, platform: Platform, question: SentMessage, trouble: Trouble
) -> None:
    platform.fail("/reply", times=2, with_=trouble)

    sent = await client.reply(question.message_id, Content.text("so"), uuid="u1", chat_id=question.chat_id)

    assert [message.message_id for message in platform.sent()] == [sent]
    assert len(platform.calls("/reply")) == 3


async def test_an_answer_that_does_not_come_in_time_is_not_waited_for(platform: Platform, chat: Chat) -> None:
    platform.fail(SEND, with_=Trouble.late(1.5))
    patience = Patience(answer_s=0.3, first_s=0.01)
    async with open_client(platform.credentials, patience=patience) as client:
        sent = await client.send(chat.chat_id, Content.text("so"), uuid="u1")

    assert [message.message_id for message in platform.sent()] == [sent]


@pytest.mark.parametrize("code", [300317, 200770])
async def test_a_change_of_a_card_of_which_no_answer_came_is_done_once(
    client: FeishuClient, platform: Platform, code: int
) -> None:
    card_id = await client.create_card(card("…", streaming=True))
    platform.fail("/content", with_=Trouble.drop_after())
    platform.fail("/content", with_=Trouble.error(99991663))  # in between, the token ends
    platform.fail("/content", with_=Trouble.error(code, "it was done before"))

    await client.stream_text(card_id, "answer", "It", sequence=1, uuid="c1")

    assert platform.card(card_id).text("answer") == "It"
    assert len(platform.card(card_id).history) == 1


async def test_a_number_that_is_too_low_at_the_first_try_is_a_card_problem(
    client: FeishuClient, platform: Platform
) -> None:
    card_id = await client.create_card(card("…", streaming=True))
    await client.stream_text(card_id, "answer", "It", sequence=5, uuid="c5")

    with pytest.raises(CardProblem):
        await client.stream_text(card_id, "answer", "I", sequence=4, uuid="c4")


@pytest.mark.parametrize("http", [429, 400])
async def test_too_many_calls_wait_as_long_as_feishu_says(
    client: FeishuClient, platform: Platform, chat: Chat, time: SharedTime, http: Any
) -> None:
    platform.fail(SEND, times=2, with_=Trouble.rate_limited(7, http=http))

    await client.send(chat.chat_id, Content.text("so"), uuid="u1")

    first, second, third = platform.calls(SEND)
    assert second.at - first.at >= 7
    assert third.at - second.at >= 7
    assert sum(time.slept) < 20


async def test_other_calls_of_the_api_wait_as_well(
    client: FeishuClient, platform: Platform, li: User, time: SharedTime
) -> None:
    one, other = platform.group([li]), platform.group([li])
    platform.fail(SEND, with_=Trouble.rate_limited(7))

    async def later() -> None:
        await until(lambda: time.slept)
        await client.send(other.chat_id, Content.text("so"), uuid="u2")

    await asyncio.gather(client.send(one.chat_id, Content.text("so"), uuid="u1"), later())

    first, *others = platform.calls(SEND)
    assert all(call.at - first.at >= 7 for call in others)
    assert len(others) == 2


async def test_a_wait_that_is_too_long_is_left_to_the_caller(
    client: FeishuClient, platform: Platform, chat: Chat, time: SharedTime
) -> None:
    platform.fail(SEND, with_=Trouble.rate_limited(3600))

    with pytest.raises(RateLimited):
        await client.send(chat.chat_id, Content.text("so"), uuid="u1")

    assert time.slept == []


async def test_a_chat_that_others_write_into_as_well_is_waited_for(
    client: FeishuClient, platform: Platform, chat: Chat, time: SharedTime
) -> None:
    platform.fail(SEND, times=2, with_=Trouble.error(230020, "This operation triggers the frequency limit."))

    await client.send(chat.chat_id, Content.text("so"), uuid="u1")

    assert len(platform.sent()) == 1
    assert len(time.slept) == 2


async def test_the_pace_that_feishu_wants_is_kept_without_being_told(
    client: FeishuClient, platform: Platform, chat: Chat, time: SharedTime
) -> None:
    for number in range(12):
        await client.send(chat.chat_id, Content.text(str(number)), uuid=f"u{number}")

    assert [message.text for message in platform.sent()] == [str(number) for number in range(12)]
    assert {call.status for call in platform.calls(SEND)} == {200}
    assert time.slept


async def test_a_call_that_is_cancelled_leaves_the_others_alone(
    client: FeishuClient, platform: Platform, chat: Chat
) -> None:
    platform.fail("/tenant_access_token/", with_=Trouble.delay(0.3))
    calls = [asyncio.create_task(client.send(chat.chat_id, Content.text("so"), uuid=f"u{n}")) for n in range(3)]
    await until(lambda: platform.token_calls)
    calls[0].cancel()

    await asyncio.wait(calls)

    assert calls[0].cancelled()
    assert len({calls[1].result(), calls[2].result()}) == 2
    assert platform.token_calls == 1


async def test_a_platform_that_is_not_there_is_unavailable() -> None:
    async with odd_server(plainly(b"")) as odd:
        gone = odd.credentials
    async with open_client(gone, patience=Patience(tries=2, first_s=0.01)) as client:
        with pytest.raises(PlatformUnavailable, match="does not answer"):
            await client.bot_info()


@pytest.mark.parametrize("domain", ["http://host:abc", "http://host:99999", "http://[::1", "https://xn--"])
async def test_an_address_that_is_none_names_its_variable(domain: str) -> None:
    with pytest.raises(Misconfigured, match="LARKWISE_FEISHU_DOMAIN"):
        async with open_client(Credentials("cli_1", "secret", domain)):
            raise AssertionError("unreachable")


async def test_connections_are_kept_open() -> None:
    async with odd_server(plainly(json_answer(OK))) as odd, open_client(odd.credentials) as client:
        for _ in range(10):
            await client.bot_info()

        assert odd.connections == 1
