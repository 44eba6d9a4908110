"""Feishu's own client finds nothing wrong with the fake platform."""

from __future__ import annotations

import json

import pytest

from tests.app.feishu.platform import Chat, Platform, SentMessage, Trouble
from tests.app.feishu.platform.docx import bullet, heading, image, link, table, text
from tests.app.feishu.platform_lark import Lark


@pytest.fixture
def chat(platform: Platform) -> Chat:
    return platform.group([platform.user("Li")])


@pytest.fixture
def question(platform: Platform, chat: Chat) -> SentMessage:
    return platform.says(chat.members[0], chat, "@larkwise hello", mentions=[platform.bot])


def test_it_gets_a_token_once_and_sends(platform: Platform, lark: Lark, chat: Chat) -> None:
    from lark_oapi.api.im.v1 import CreateMessageRequest, CreateMessageRequestBody

    client = lark.client(platform)
    body = CreateMessageRequestBody.builder().receive_id(chat.chat_id).msg_type("text").content('{"text":"hi"}').build()
    request = CreateMessageRequest.builder().receive_id_type("chat_id").request_body(body).build()

    answers = [client.im.v1.message.create(request) for _ in range(2)]

    assert [one.code for one in answers] == [0, 0]
    assert [one.message_id for one in platform.sent()] == [one.data.message_id for one in answers]
    assert answers[0].data.body.content == '{"text": "hi"}'
    assert platform.token_calls == 1


async def test_it_replies_asynchronously_and_is_told_of_errors(
    platform: Platform, lark: Lark, question: SentMessage
) -> None:
    from lark_oapi.api.im.v1 import ReplyMessageRequest, ReplyMessageRequestBody

    client = lark.client(platform)
    body = ReplyMessageRequestBody.builder().msg_type("text").content('{"text":"hi"}').reply_in_thread(True).build()
    request = ReplyMessageRequest.builder().message_id(question.message_id).request_body(body).build()
    first = await client.im.v1.message.areply(request)
    platform.fail("/reply", with_=Trouble.error(230020, "too often"))
    second = await client.im.v1.message.areply(request)

    assert (first.code, first.data.parent_id, first.data.thread_id[:4]) == (0, question.message_id, "omt_")
    assert (second.code, second.msg) == (230020, "too often")


def test_it_reads_messages_and_their_images(platform: Platform, lark: Lark, chat: Chat, question: SentMessage) -> None:
    from lark_oapi.api.im.v1 import GetMessageResourceRequest, ListMessageRequest

    client = lark.client(platform)
    picture = platform.image(chat.members[0], chat, b"\x89PNG...")
    listing = ListMessageRequest.builder().container_id_type("chat").container_id(chat.chat_id).build()
    listed = client.im.v1.message.list(listing)
    wanted = (
        GetMessageResourceRequest.builder()
        .message_id(picture.message_id)
        .file_key(picture.content["image_key"])
        .type("image")
        .build()
    )

    assert [one.message_id for one in listed.data.items] == [question.message_id, picture.message_id]
    assert listed.data.items[0].mentions[0].id == platform.bot_open_id
    assert client.im.v1.message_resource.get(wanted).file.read() == b"\x89PNG..."


def test_it_streams_a_card(platform: Platform, lark: Lark) -> None:
    from lark_oapi.api.cardkit.v1 import (
        ContentCardElementRequest,
        ContentCardElementRequestBody,
        CreateCardRequest,
        CreateCardRequestBody,
    )

    client = lark.client(platform)
    data = {
        "schema": "2.0",
        "config": {"streaming_mode": True},
        "body": {"elements": [{"tag": "markdown", "element_id": "answer", "content": "…"}]},
    }
    body = CreateCardRequestBody.builder().type("card_json").data(json.dumps(data)).build()
    made = client.cardkit.v1.card.create(CreateCardRequest.builder().request_body(body).build())
    element = ContentCardElementRequestBody.builder().content("so far").sequence(1).uuid("one").build()
    request = (
        ContentCardElementRequest.builder()
        .card_id(made.data.card_id)
        .element_id("answer")
        .request_body(element)
        .build()
    )

    assert client.cardkit.v1.card_element.content(request).code == 0
    assert platform.card(made.data.card_id).text("answer") == "so far"


def test_it_walks_through_a_wiki(platform: Platform, lark: Lark) -> None:
    from lark_oapi.api.docx.v1 import ListDocumentBlockRequest, RawContentDocumentRequest
    from lark_oapi.api.wiki.v2 import ListSpaceNodeRequest

    space = platform.wiki()
    key = platform.documents.file("a.png", b"\x89PNG...").token
    blocks = [
        heading(1, "Deadline"),
        text("See ", link("the rules", "https://example.com/?a=b")),
        bullet("one", children=[bullet("two")]),
        table([["a", "b"], ["1", "2"]]),
        image(key),
    ]
    page = space.page("Refunds", blocks)
    space.shortcut(page)
    client = lark.client(platform)
    nodes = client.wiki.v2.space_node.list(ListSpaceNodeRequest.builder().space_id(space.space_id).build())
    wanted = ListDocumentBlockRequest.builder().document_id(page.thing.token).page_size(500).build()
    listed = client.docx.v1.document_block.list(wanted).data.items
    raw = client.docx.v1.document.raw_content(RawContentDocumentRequest.builder().document_id(page.thing.token).build())

    assert [one.node_type for one in nodes.data.items] == ["origin", "shortcut"]
    assert nodes.data.items[1].origin_node_token == page.token
    assert [one.block_type for one in listed] == [1, 3, 2, 12, 12, 31, 32, 2, 32, 2, 32, 2, 32, 2, 27]
    assert listed[5].table.cells == listed[5].children
    assert listed[2].text.elements[1].text_run.text_element_style.link.url == "https%3A%2F%2Fexample.com%2F%3Fa%3Db"
    assert raw.data.content.startswith("Refunds\nDeadline\nSee the rules\none\ntwo\n")


def test_it_is_refused_a_wiki_of_which_the_app_is_no_member(platform: Platform, lark: Lark) -> None:
    from lark_oapi.api.wiki.v2 import GetNodeSpaceRequest

    space = platform.wiki()
    page = space.page("Refunds")
    request = GetNodeSpaceRequest.builder().token(page.token).build()
    client = lark.client(platform)
    before = client.wiki.v2.space.get_node(request)
    space.member = False

    assert before.data.node.obj_token == page.thing.token
    assert client.wiki.v2.space.get_node(request).code == 131006


def test_it_lists_a_folder_and_downloads_a_file(platform: Platform, lark: Lark) -> None:
    from lark_oapi.api.drive.v1 import DownloadFileRequest, ListFileRequest

    folder = platform.folder()
    entry = folder.file("规则.txt", b"fifteen days")
    folder.shortcut(entry)
    client = lark.client(platform)
    listed = client.drive.v1.file.list(ListFileRequest.builder().folder_token(folder.token).build())
    got = client.drive.v1.file.download(DownloadFileRequest.builder().file_token(entry.token).build())

    assert [one.type for one in listed.data.files] == ["file", "shortcut"]
    assert listed.data.files[1].shortcut_info.target_token == entry.token
    assert got.file.read() == b"fifteen days"
