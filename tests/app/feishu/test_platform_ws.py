"""Feishu's own long connection finds nothing wrong with the fake platform's."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.app.feishu.platform import Platform, SentMessage
from tests.app.feishu.platform.frames import CONTROL, DATA, Frame, decode, encode
from tests.app.feishu.platform_lark import Dispatched, Lark


@pytest.fixture
def question(platform: Platform) -> SentMessage:
    li = platform.user("Li")
    return platform.says(li, platform.p2p(li), "hello")


@contextmanager
def connected(platform: Platform, dispatched: Dispatched) -> Iterator[None]:
    """lark-oapi's long connection, in a thread with a loop of its own; it has no way to stop but this."""
    from lark_oapi.ws import client as module

    made: list[asyncio.AbstractEventLoop] = []

    def run() -> None:
        loop = asyncio.new_event_loop()
        made.append(loop)
        asyncio.set_event_loop(loop)
        module.loop = loop
        client = module.Client(
            platform.app_id, platform.app_secret, event_handler=dispatched.handler, domain=platform.url
        )
        with pytest.raises(RuntimeError, match="stopped"):
            client.start()
        client._auto_reconnect = False
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0.05))
        loop.run_until_complete(client._disconnect())
        loop.close()

    before = module.loop
    thread = threading.Thread(target=run)
    thread.start()
    try:
        platform.ws.wait_connected(1)
        yield
    finally:
        made[0].call_soon_threadsafe(made[0].stop)
        thread.join()
        module.loop = before


def eventually(condition: Callable[[], Any]) -> None:
    until = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.01)


def test_its_long_connection_gets_events_in_parts_and_acknowledges_them(
    platform: Platform, lark: Lark, question: SentMessage
) -> None:
    dispatched = lark.dispatcher(platform)
    with connected(platform, dispatched):
        acks = [platform.ws.push(platform.event_of(question), parts=parts) for parts in (1, 3)]
        click = platform.ws.push(platform.click(platform.user("Wu"), question, {"action": "up"}, forged=True))
        unknown = platform.ws.push({"schema": "2.0", "header": {"event_type": "no.such_v1", "token": ""}, "event": {}})

    assert [one.code for one in acks] == [200, 200]
    assert [one.event.message.message_id for one in dispatched.messages] == [question.message_id] * 2
    assert click.data["toast"]["content"] == "thanks"
    assert unknown.code == 500


def test_its_long_connection_pings_and_comes_again_when_it_is_closed(
    platform: Platform, lark: Lark, question: SentMessage
) -> None:
    with connected(platform, lark.dispatcher(platform)):
        eventually(lambda: platform.ws.pings)
        platform.ws.close_all()
        eventually(lambda: platform.ws.endpoint_calls == 2)
        platform.ws.wait_connected(1)

        assert platform.ws.push(platform.event_of(question)).code == 200


def test_a_silent_long_connection_stays_open(platform: Platform, lark: Lark, question: SentMessage) -> None:
    dispatched = lark.dispatcher(platform)
    with connected(platform, dispatched):
        platform.ws.go_silent()
        with pytest.raises(TimeoutError):
            platform.ws.push(platform.event_of(question), seconds=0.2)

        assert platform.ws.connections == 1
    assert dispatched.messages == []


def test_its_frames_and_ours_are_the_same(lark: Lark) -> None:
    from lark_oapi.ws.pb.pbbp2_pb2 import Frame as Theirs

    ours = Frame(DATA, {"type": "event", "sum": "3"}, "你好".encode() * 100, 33554678, 5, 2**63)
    theirs = Theirs()
    theirs.ParseFromString(encode(ours))

    assert decode(theirs.SerializeToString()) == ours
    assert {one.key: one.value for one in theirs.headers} == ours.headers
    assert decode(encode(Frame(CONTROL, {"type": "ping"}))).type == "ping"
