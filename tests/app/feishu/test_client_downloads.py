"""Images and files of messages: their names, their sizes, and what is none of them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import pytest

from app.feishu.client import FeishuClient, open_client
from app.feishu.errors import CallFailed, ResourceTooLarge
from app.feishu.filenames import name_in
from app.feishu.patience import Patience
from tests.app.feishu.odd_server import json_answer, odd_server, plainly
from tests.app.feishu.platform import Chat, Platform, Trouble, User
from tests.app.feishu.virtual_time import SharedTime


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
