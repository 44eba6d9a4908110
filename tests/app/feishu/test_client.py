"""The bot's calls, as the platform takes them and lark-oapi makes them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from app.feishu.client import FeishuClient, open_client
from app.feishu.errors import CallFailed, CardProblem, PlatformUnavailable
from app.feishu.events import Mention
from app.feishu.wire import BotInfo, Content, Message, answer_of
from tests.app.feishu.platform import Chat, Platform, SentMessage, Trouble, User
from tests.app.feishu.platform_lark import Lark
from tests.app.feishu.virtual_time import SharedTime

SEND = "/open-apis/im/v1/messages"


def card(text: str, *, streaming: bool = False) -> dict[str, Any]:
    return {
        "schema": "2.0",
        "config": {"streaming_mode": streaming, "update_multi": True},
        "body": {"elements": [{"tag": "markdown", "element_id": "answer", "content": text}]},
    }


def everything(client: FeishuClient, chat: Chat) -> AsyncIterator[Message]:
    return client.messages(chat.chat_id, since_s=0, until_s=2**31)


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


async def test_the_bot_knows_its_own_name_and_open_id(client: FeishuClient, platform: Platform) -> None:
    assert await client.bot_info() == BotInfo(platform.bot_open_id, "larkwise")


async def test_a_reply_answers_its_message(client: FeishuClient, platform: Platform, question: SentMessage) -> None:
    sent = await client.reply(question.message_id, Content.text("It is “so”."), uuid="u1", chat_id=question.chat_id)

    message = platform.message(sent)
    assert (message.text, message.parent_id, message.uuid) == ("It is “so”.", question.message_id, "u1")
    assert message.thread_id == ""


async def test_a_reply_begins_a_thread_if_asked_to(
    client: FeishuClient, platform: Platform, question: SentMessage
) -> None:
    chat_id = question.chat_id
    sent = await client.reply(question.message_id, Content.text("so"), uuid="u1", chat_id=chat_id, in_thread=True)

    assert platform.message(sent).thread_id


@pytest.mark.parametrize(
    "content",
    [
        Content.text("文字"),
        Content.post({"zh_cn": {"title": "题", "content": [[{"tag": "text", "text": "文字"}]]}}),
        Content.card(card("文字")),
    ],
)
async def test_a_chat_gets_text_rich_text_and_cards(
    client: FeishuClient, platform: Platform, chat: Chat, content: Content
) -> None:
    sent = await client.send(chat.chat_id, content, uuid="u1")

    assert platform.message(sent).msg_type == content.msg_type
    assert platform.message(sent).content == json.loads(content.content)


async def test_a_card_is_written_bit_by_bit_and_closed(
    client: FeishuClient, platform: Platform, question: SentMessage
) -> None:
    card_id = await client.create_card(card("…", streaming=True))
    await client.reply(question.message_id, Content.card_id(card_id), uuid="u1", chat_id=question.chat_id)
    await client.stream_text(card_id, "answer", "It", sequence=1, uuid="c1")
    await client.stream_text(card_id, "answer", "It is so.", sequence=2, uuid="c2")
    await client.set_streaming(card_id, False, sequence=3, uuid="c3")
    await client.replace_card(card_id, card("It is so!"), sequence=4, uuid="c4")

    shown = platform.card(card_id)
    assert [operation for operation, _, _ in shown.history] == ["stream", "stream", "settings", "replace"]
    assert (shown.text("answer"), shown.streaming, shown.sequence) == ("It is so!", False, 4)


async def test_a_card_that_is_closed_is_a_card_problem(client: FeishuClient, platform: Platform) -> None:
    card_id = await client.create_card(card("…"))

    with pytest.raises(CardProblem):
        await client.stream_text(card_id, "answer", "It", sequence=1, uuid="c1")


async def test_a_card_message_is_patched(client: FeishuClient, platform: Platform, chat: Chat) -> None:
    sent = await client.send(chat.chat_id, Content.card(card("before")), uuid="u1")
    await client.patch_card(sent, card("after"), chat_id=chat.chat_id)

    assert platform.message(sent).patches == [card("after")]


async def test_a_message_is_read_with_who_wrote_it_and_who_is_named(
    client: FeishuClient, platform: Platform, li: User, chat: Chat
) -> None:
    wang = platform.user("Wang")
    message = platform.says(li, chat, "@Wang look", mentions=[wang])

    (read,) = await client.message(message.message_id)

    assert (read.sender_id, read.sender_type, read.chat_id) == (li.open_id, "user", chat.chat_id)
    assert json.loads(read.content) == {"text": "@_user_1 look"}
    assert read.mentions == (Mention("@_user_1", wang.open_id, "Wang"),)
    assert read.created_ms == message.created_ms
    assert not read.deleted


async def test_forwarded_messages_come_after_the_one_that_forwards_them(
    client: FeishuClient, platform: Platform, li: User, chat: Chat
) -> None:
    said = [platform.says(li, chat, text) for text in ("one", "two")]
    bundle = platform.forwards(li, chat, said)

    first, *children = await client.message(bundle.message_id)

    assert first.msg_type == "merge_forward"
    assert [json.loads(one.content)["text"] for one in children] == ["one", "two"]
    assert {one.upper_message_id for one in children} == {bundle.message_id}


async def test_all_messages_of_a_chat_come_in_order_over_many_pages(
    client: FeishuClient, platform: Platform, li: User, chat: Chat
) -> None:
    said = [platform.says(li, chat, f"message {number}").message_id for number in range(120)]
    platform.empty_pages.add(SEND)  # and the first page is empty, though there are more

    assert [message.message_id async for message in everything(client, chat)] == said


async def test_messages_are_of_the_time_that_is_asked_for(
    client: FeishuClient, platform: Platform, li: User, chat: Chat
) -> None:
    times = []
    for number in range(3):
        times.append(platform.says(li, chat, f"message {number}").created_ms // 1000)
        platform.clock.advance(100)
    since_s, until_s = times[1] - 10, times[1] + 10

    found = [json.loads(one.content)["text"] async for one in client.messages(
        chat.chat_id, since_s=since_s, until_s=until_s
    )]  # fmt: skip

    assert found == ["message 1"]


async def test_messages_of_a_thread_are_of_the_time_that_is_asked_for_too(
    client: FeishuClient, platform: Platform, question: SentMessage
) -> None:
    async def reply(text: str) -> None:
        await client.reply(question.message_id, Content.text(text), uuid=text, chat_id=question.chat_id, in_thread=True)

    await reply("early")
    platform.clock.advance(100)
    await reply("late")
    thread = platform.message(question.message_id).thread_id
    since_s = int(platform.clock.now()) - 50

    found = client.messages(thread, kind="thread", since_s=since_s, until_s=since_s + 1000)

    assert [json.loads(one.content)["text"] async for one in found] == ["late"]
    assert "start_time" not in platform.calls(SEND, method="GET")[-1].query


async def test_a_list_of_messages_that_breaks_off_raises(
    client: FeishuClient, platform: Platform, li: User, chat: Chat
) -> None:
    for number in range(60):
        platform.says(li, chat, f"message {number}")
    platform.fail(SEND, times=9, skip=1, with_=Trouble.http(502))

    with pytest.raises(PlatformUnavailable):
        [message async for message in everything(client, chat)]


@pytest.mark.parametrize(
    "page",
    [
        {"items": [], "has_more": True},
        {"items": [], "has_more": True, "page_token": ""},
        {"items": [], "has_more": True, "page_token": "again"},
        {"items": "none", "has_more": False},
        {"items": [1], "has_more": False},
        {"items": [{"msg_type": "text"}], "has_more": False},
    ],
)
async def test_a_list_that_cannot_be_read_to_its_end_raises(
    client: FeishuClient, platform: Platform, chat: Chat, page: dict[str, Any]
) -> None:
    body = json.dumps({"code": 0, "msg": "success", "data": page})
    platform.fail(SEND, times=99, with_=Trouble.http(200, body))

    with pytest.raises(PlatformUnavailable, match="not as it is documented"):
        [message async for message in everything(client, chat)]


async def test_a_list_whose_next_page_is_called_otherwise_is_read_to_its_end(
    client: FeishuClient, platform: Platform
) -> None:
    def page(**data: Any) -> Trouble:
        return Trouble.http(200, json.dumps({"code": 0, "data": data}))

    platform.fail("/drive/v1/files", with_=page(files=[{"token": "1"}], has_more=True, next_page_token="p2"))
    platform.fail("/drive/v1/files", with_=page(files=None, has_more=True, next_page_token="p3"))
    platform.fail("/drive/v1/files", with_=page(files=[{"token": "2"}], has_more=False))

    found = client.pages("/open-apis/drive/v1/files", {"folder_token": "f"}, items="files")

    assert [one["token"] async for one in found] == ["1", "2"]
    assert [call.query.get("page_token") for call in platform.calls("/drive/")] == [None, "p2", "p3"]


async def test_an_answer_without_what_it_should_tell_is_not_taken(client: FeishuClient, platform: Platform) -> None:
    platform.fail("/cardkit/", times=9, with_=Trouble.http(200, '{"code": 0, "msg": "success", "data": null}'))

    with pytest.raises(PlatformUnavailable, match="card_id"):
        await client.create_card(card("…"))


async def test_ids_stay_where_they_belong_in_a_path(client: FeishuClient, platform: Platform) -> None:
    with pytest.raises(CallFailed):
        await client.message("../../../auth?x=1#y")

    assert platform.calls("/auth?x=1#y")[-1].path.startswith("/open-apis/im/v1/messages/")


async def test_lark_oapi_sends_the_same_reply(
    client: FeishuClient, platform: Platform, question: SentMessage, lark: Lark
) -> None:
    from lark_oapi.api.im.v1 import ReplyMessageRequest, ReplyMessageRequestBody

    content = Content.card(card("It is so: 是"))
    body = ReplyMessageRequestBody.builder().msg_type(content.msg_type).content(content.content)
    body = body.reply_in_thread(True).uuid("u1").build()
    request = ReplyMessageRequest.builder().message_id(question.message_id).request_body(body).build()

    response = await lark.client(platform).im.v1.message.areply(request)
    sent = await client.reply(question.message_id, content, uuid="u1", chat_id=question.chat_id, in_thread=True)

    assert response.data.message_id == sent  # the platform took it for the same message
    theirs, ours = platform.calls("/reply")
    assert (ours.method, ours.path, ours.query, ours.body) == (theirs.method, theirs.path, theirs.query, theirs.body)
    assert ours.headers["content-type"].partition(";")[0] == theirs.headers["content-type"].partition(";")[0]


@pytest.mark.parametrize(
    ("told", "read"),
    [
        (r"cut \ud83d", "cut ?"),
        (r"\uDE00 cut", "? cut"),
        (r"\uD83D\ude00", "😀"),
        (r"\\ud83d", r"\ud83d"),
        ("😀", "😀"),
    ],
)
def test_half_a_character_in_an_answer_is_a_question_mark_and_no_trouble(told: str, read: str) -> None:
    answer = answer_of(f'{{"code": 0, "msg": "{told}", "data": {{"items": [{{"name": "{told}"}}]}}}}'.encode())

    assert answer is not None
    assert (answer.msg, answer.data) == (read, {"items": [{"name": read}]})


@pytest.mark.parametrize("body", [b"<html>", b"", b"\\ud83d", b'{"code": "\\ud83d"}', b'["\\ud83d",' + b"[" * 100_000])
def test_what_is_no_answer_of_the_api_is_told_apart(body: bytes) -> None:
    assert answer_of(body) is None
