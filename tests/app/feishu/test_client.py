"""The bot's calls against the platform: each is done, once, whatever happens in between."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from app.feishu.client import FeishuClient, open_client
from app.feishu.credentials import Credentials
from app.feishu.errors import CallFailed, CardProblem, Misconfigured, PlatformUnavailable, RateLimited, ResourceTooLarge
from app.feishu.events import Mention
from app.feishu.filenames import name_in
from app.feishu.patience import Patience
from app.feishu.wire import BotInfo, Content, Message
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


async def test_a_card_message_is_patched_and_its_card_found(
    client: FeishuClient, platform: Platform, chat: Chat
) -> None:
    sent = await client.send(chat.chat_id, Content.card(card("before")), uuid="u1")
    await client.patch_card(sent, card("after"), chat_id=chat.chat_id)
    card_id = await client.card_of(sent)

    assert platform.message(sent).patches == [card("after")]
    assert platform.card(card_id).text("answer") == "after"


async def test_a_reaction_is_put_and_taken_away(
    client: FeishuClient, platform: Platform, question: SentMessage
) -> None:
    reaction = await client.add_reaction(question.message_id, "Typing")
    assert [one.emoji for one in platform.reactions(question.message_id)] == ["Typing"]

    await client.remove_reaction(question.message_id, reaction)
    assert platform.reactions(question.message_id) == []


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


async def test_a_reaction_whose_removal_got_no_answer_is_gone(
    client: FeishuClient, platform: Platform, question: SentMessage
) -> None:
    reaction = await client.add_reaction(question.message_id, "Typing")
    platform.fail("/reactions/", with_=Trouble.drop_after())

    await client.remove_reaction(question.message_id, reaction)

    assert platform.reactions(question.message_id) == []


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


async def test_an_answer_without_what_it_should_tell_is_not_taken(client: FeishuClient, platform: Platform) -> None:
    platform.fail("/cardkit/", times=9, with_=Trouble.http(200, '{"code": 0, "msg": "success", "data": null}'))

    with pytest.raises(PlatformUnavailable, match="card_id"):
        await client.create_card(card("…"))


async def test_ids_stay_where_they_belong_in_a_path(client: FeishuClient, platform: Platform) -> None:
    with pytest.raises(CallFailed):
        await client.message("../../../auth?x=1#y")

    assert platform.calls("/auth?x=1#y")[-1].path.startswith("/open-apis/im/v1/messages/")


async def test_an_image_and_a_file_of_a_message_are_got_with_their_names(
    client: FeishuClient, platform: Platform, li: User, chat: Chat
) -> None:
    image = platform.image(li, chat, b"\x89PNG rest")
    file = platform.file(li, chat, "年度 报告.pdf", b"%PDF rest")

    got_image = await client.resource(image.message_id, image.content["image_key"], "image", max_bytes=100)
    got_file = await client.resource(file.message_id, file.content["file_key"], "file", max_bytes=100)

    assert (got_image.data, got_image.content_type) == (b"\x89PNG rest", "image/png")
    assert (got_file.data, got_file.name) == (b"%PDF rest", "年度 报告.pdf")


async def test_a_file_that_is_larger_than_wanted_is_refused(
    client: FeishuClient, platform: Platform, li: User, chat: Chat
) -> None:
    file = platform.file(li, chat, "large.bin", bytes(2_000_001))
    key = file.content["file_key"]

    with pytest.raises(ResourceTooLarge, match="MB"):
        await client.resource(file.message_id, key, "file", max_bytes=2_000_000)

    assert len((await client.resource(file.message_id, key, "file", max_bytes=2_000_001)).data) == 2_000_001


async def test_a_file_that_says_how_large_it_is_is_refused_before_it_is_read() -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/pdf\r\nContent-Length: 10000000000\r\n\r\n"
    async with odd_server(plainly(head)) as odd, open_client(odd.credentials) as client:
        with pytest.raises(ResourceTooLarge, match="30 MB"):
            await client.resource("om_1", "file_1", "file", max_bytes=30 * 1024 * 1024)


async def test_a_file_without_end_is_read_to_the_limit_only() -> None:
    written = 0

    async def endless(writer: asyncio.StreamWriter) -> None:
        nonlocal written
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/pdf\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            writer.write(b"10000\r\n" + bytes(0x10000) + b"\r\n")
            await writer.drain()
            written += 0x10000

    async with odd_server(endless) as odd, open_client(odd.credentials) as client:
        with pytest.raises(ResourceTooLarge):
            await client.resource("om_1", "file_1", "file", max_bytes=1024 * 1024)
        await asyncio.wait_for(odd.closed_early.wait(), 20)

    assert written < 50 * 1024 * 1024  # what was read, and what lay in between


async def test_a_file_that_breaks_off_is_fetched_again() -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/pdf\r\nContent-Length: 5\r\n\r\n"
    async with (
        odd_server(plainly(head + b"%P", then_close=True), plainly(head + b"%PDF.")) as odd,
        open_client(odd.credentials, patience=Patience(first_s=0.01)) as client,
    ):
        assert (await client.resource("om_1", "file_1", "file", max_bytes=100)).data == b"%PDF."


async def test_a_page_of_a_gateway_is_not_taken_for_a_file(
    client: FeishuClient, platform: Platform, li: User, chat: Chat
) -> None:
    file = platform.file(li, chat, "notes.txt", b"notes")
    platform.fail("/resources/", times=2, with_=Trouble.http(200, "<html>log in to the network</html>"))

    assert (await client.resource(file.message_id, file.content["file_key"], "file", max_bytes=100)).data == b"notes"


async def test_an_error_with_status_200_is_not_taken_for_a_file() -> None:
    body = b'{"code":234043,"msg":"Unsupported message type."}'
    async with odd_server(plainly(json_answer(body))) as odd, open_client(odd.credentials) as client:
        with pytest.raises(CallFailed) as caught:
            await client.resource("om_1", "file_1", "file", max_bytes=100)

    assert caught.value.code == 234043


async def test_a_resource_that_feishu_does_not_give_out_says_so(
    client: FeishuClient, platform: Platform, li: User, chat: Chat
) -> None:
    bundle = platform.forwards(li, chat, [platform.image(li, chat, b"\x89PNG rest")])
    _, image = await client.message(bundle.message_id)

    with pytest.raises(CallFailed, match="forwarded") as caught:
        await client.resource(image.message_id, json.loads(image.content)["image_key"], "image", max_bytes=100)

    assert caught.value.code == 234043
    assert caught.value.log_id


@pytest.mark.parametrize(
    ("disposition", "name"),
    [
        ("attachment; filename=\"x.pdf\"; filename*=UTF-8''%E6%8A%A5%20%E5%91%8A.pdf", "报 告.pdf"),
        ("attachment; filename*=utf-8'zh'%E6%8A%A5.pdf; filename=\"x.pdf\"", "报.pdf"),
        ("attachment; filename*=GBK''%B1%A8.pdf", "报.pdf"),
        ("attachment; filename*=klingon''%E6%8A%A5.pdf", "报.pdf"),
        ('attachment; filename="%E6%8A%A5.pdf"', "报.pdf"),
        ('attachment; filename="报.pdf"', "报.pdf"),
        ('attachment; filename="a \\"b\\"; c.pdf"', 'a "b"; c.pdf'),
        ("attachment; filename=plain.pdf", "plain.pdf"),
        ('ATTACHMENT; FileName = "x.pdf"', "x.pdf"),
        ("attachment; filename*=UTF-8''..%2F..%2Fetc%2Fpasswd", "passwd"),
        ('attachment; filename="C:\\\\secret\\\\x.pdf"', "x.pdf"),
        ('attachment; filename=".."', ""),
        ("attachment; filename*=UTF-8''a%00%0Ab.pdf", "ab.pdf"),
        ("attachment", ""),
        ("", ""),
        ("attachment; filename*=UTF-8''" + "a" * 400 + ".pdf", "a" * 251 + ".pdf"),
    ],
)
def test_a_download_has_the_name_that_its_header_gives(disposition: str, name: str) -> None:
    assert name_in(disposition) == name


async def test_lark_oapi_sends_the_same_reply(client: FeishuClient, platform: Platform, question: SentMessage) -> None:
    from lark_oapi import Client
    from lark_oapi.api.im.v1 import ReplyMessageRequest, ReplyMessageRequestBody

    content = Content.card(card("It is so: 是"))
    official = Client.builder().app_id(platform.app_id).app_secret(platform.app_secret).domain(platform.url).build()
    body = (
        ReplyMessageRequestBody.builder()
        .msg_type(content.msg_type)
        .content(content.content)
        .reply_in_thread(True)
        .uuid("u1")
        .build()
    )
    request = ReplyMessageRequest.builder().message_id(question.message_id).request_body(body).build()

    response = await official.im.v1.message.areply(request)
    sent = await client.reply(question.message_id, content, uuid="u1", chat_id=question.chat_id, in_thread=True)

    assert response.data.message_id == sent  # the platform took it for the same message
    theirs, ours = platform.calls("/reply")
    assert (ours.method, ours.path, ours.query, ours.body) == (theirs.method, theirs.path, theirs.query, theirs.body)
    assert ours.headers["content-type"].partition(";")[0] == theirs.headers["content-type"].partition(";")[0]
