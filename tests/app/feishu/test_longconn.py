"""The long connection: it hears everything, acknowledges what is kept, comes back, and ends when it is told to."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from app.feishu.credentials import Credentials
from app.feishu.errors import InboxUnavailable
from app.feishu.longconn import LongConnection, Waits
from tests.app.feishu.platform import Platform, Trouble
from tests.app.servers import wait_until

SOON = Waits(first_s=0.05, longest_s=0.2, refused_s=0.1)
ENDPOINT = "/callback/ws/endpoint"


@dataclass
class Kept:
    """A receiver that keeps events in memory; it raises `error`, and waits for `gate` with an event that it holds."""

    events: list[dict[str, Any]] = field(default_factory=list)
    answer: dict[str, Any] = field(default_factory=dict)
    error: Exception | None = None
    held: str = ""
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    loops: set[asyncio.AbstractEventLoop] = field(default_factory=set)

    async def receive(self, payload: dict[str, Any]) -> dict[str, Any]:
        self.loops.add(asyncio.get_running_loop())
        if self.error is not None:
            raise self.error
        if payload["header"]["event_id"] == self.held:
            await self.gate.wait()
        self.events.append(payload)
        return self.answer


@dataclass
class Running:
    connection: LongConnection
    kept: Kept
    outcomes: list[str]


@asynccontextmanager
async def listening(
    platform: Platform,
    *,
    credentials: Credentials | None = None,
    waits: Waits = SOON,
    connects: bool = True,
    **given: Any,
) -> AsyncIterator[Running]:
    """A long connection to the platform; `connects` waits for it."""
    kept, outcomes = Kept(), list[str]()
    connection = LongConnection(
        credentials or platform.credentials,
        kept,
        asyncio.get_running_loop(),
        counted=outcomes.append,
        waits=SOON,
        **given,
    )
    connection.start()
    try:
        if connects:
            await until(lambda: connection.is_connected and platform.ws.connections)
        yield Running(connection, kept, outcomes)
    finally:
        await asyncio.to_thread(connection.stop)
        assert not connection.is_connected
        assert not [one for one in threading.enumerate() if one.name == "feishu-long-connection"]


async def until(condition: Any, *, seconds: float = 60) -> None:
    """In a thread, so that the loop goes on."""
    await asyncio.to_thread(wait_until, condition, seconds=seconds)


@pytest.fixture
def event(platform: Platform) -> dict[str, Any]:
    return message(platform, "你好 hello")


def message(platform: Platform, text: str) -> dict[str, Any]:
    user = platform.user("Li")
    event: dict[str, Any] = platform.event_of(platform.says(user, platform.p2p(user), text))
    event["header"]["token"] = ""  # as it is heard
    return event


# ---------------------------------------------------------------- events


async def test_an_event_is_received_on_our_loop_and_then_acknowledged(
    platform: Platform, event: dict[str, Any]
) -> None:
    async with listening(platform) as running:
        acknowledged = await platform.ws.push_async(event)

        assert (acknowledged.code, acknowledged.data) == (200, None)
        assert int(acknowledged.headers["biz_rt"]) >= 0
        assert running.kept.events == [event]
        assert running.kept.loops == {asyncio.get_running_loop()}
        assert running.outcomes == ["accepted"]


@pytest.mark.parametrize("parts", [2, 3, 17])
async def test_an_event_in_several_frames_is_put_together(
    platform: Platform, event: dict[str, Any], parts: int
) -> None:
    async with listening(platform) as running:
        assert (await platform.ws.push_async(event, parts=parts)).code == 200

        assert running.kept.events == [event]


@pytest.mark.parametrize("type_", ["event", "card"])
async def test_a_click_is_answered_with_a_toast_in_either_type_of_frame(
    platform: Platform, event: dict[str, Any], type_: Any
) -> None:
    click = event | {"header": event["header"] | {"event_type": "card.action.trigger"}}
    async with listening(platform) as running:
        running.kept.answer = {"toast": {"type": "success", "content": "谢谢"}}

        acknowledged = await platform.ws.push_async(click, type_=type_)

    assert (acknowledged.code, acknowledged.data) == (200, running.kept.answer)


async def test_a_slow_event_does_not_keep_others_waiting(platform: Platform) -> None:
    slow, quick = message(platform, "slow"), message(platform, "quick")
    async with listening(platform) as running:
        running.kept.held = slow["header"]["event_id"]
        waiting = asyncio.create_task(platform.ws.push_async(slow))

        assert (await platform.ws.push_async(quick)).code == 200
        assert not waiting.done()

        running.kept.gate.set()
        assert (await waiting).code == 200
        assert running.kept.events == [quick, slow]


async def test_what_takes_too_long_is_to_come_again_and_is_kept_all_the_same(
    platform: Platform, event: dict[str, Any]
) -> None:
    async with listening(platform, receive_timeout_s=0.1) as running:
        running.kept.held = event["header"]["event_id"]

        assert (await platform.ws.push_async(event)).code == 500
        assert running.outcomes == ["unavailable"]

        running.kept.gate.set()
        await until(lambda: running.kept.events == [event])


@pytest.mark.parametrize("error", [InboxUnavailable("the database is away"), KeyError("of somebody's")])
async def test_what_cannot_be_kept_is_to_come_again(
    platform: Platform, event: dict[str, Any], error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    async with listening(platform) as running:
        running.kept.error = error
        assert (await platform.ws.push_async(event)).code == 500
        running.kept.error = None
        assert (await platform.ws.push_async(event)).code == 200

    assert running.outcomes == ["unavailable", "accepted"]
    assert "an event of Feishu is not kept" in caplog.text


@pytest.mark.parametrize("header", [{"app_id": "cli_other"}, {"app_id": None}, {"event_id": ""}, {"event_id": 7}])
async def test_what_is_not_for_us_is_not_received(
    platform: Platform, event: dict[str, Any], header: dict[str, Any]
) -> None:
    async with listening(platform) as running:
        assert (await platform.ws.push_async(event | {"header": event["header"] | header})).code == 500
        assert (await platform.ws.push_async(event)).code == 200

    assert running.kept.events == [event]
    assert running.outcomes == ["not_authentic", "accepted"]


async def test_strange_messages_do_not_end_the_connection(platform: Platform, event: dict[str, Any]) -> None:
    strange: list[Any] = ["text", [], None, {}, {"schema": "2.0"}, {"schema": "2.0", "header": {}}]
    async with listening(platform):
        assert [(await platform.ws.push_async(one)).code for one in strange] == [500] * len(strange)
        assert (await platform.ws.push_async(event)).code == 200
        assert platform.ws.endpoint_calls == 1


# ---------------------------------------------------------------- the connection


async def test_a_closed_connection_is_opened_again(platform: Platform, event: dict[str, Any]) -> None:
    async with listening(platform) as running:
        for times in (2, 3):
            await asyncio.to_thread(platform.ws.close_all)
            await until(lambda times=times: platform.ws.endpoint_calls == times and platform.ws.connections == 1)

        assert (await platform.ws.push_async(event)).code == 200
        assert running.connection.is_connected


async def test_connections_that_have_ended_leave_nothing_behind(platform: Platform) -> None:
    def left() -> int:
        return sum(one.__name__ == "_start_clear_cron" for one in _coroutines(running.connection))

    async with listening(platform) as running:
        for times in range(2, 6):
            await asyncio.to_thread(platform.ws.close_all)
            await until(lambda times=times: platform.ws.endpoint_calls == times and running.connection.is_connected)

        assert left() == 1


async def test_a_silent_connection_is_opened_again(platform: Platform, event: dict[str, Any]) -> None:
    async with listening(platform, silence_s=0.5):
        await asyncio.to_thread(platform.ws.go_silent)
        await until(lambda: platform.ws.endpoint_calls >= 2)
        platform.ws.speak_again()

        await until(lambda: _is_heard(platform, event))


async def test_an_idle_connection_is_kept_alive_by_pings(platform: Platform, event: dict[str, Any]) -> None:
    platform.ws.client_config["PingInterval"] = 120
    async with listening(platform, silence_s=0.5):
        await until(lambda: platform.ws.pings >= 8)

        assert platform.ws.endpoint_calls == 1
        assert (await platform.ws.push_async(event)).code == 200


@pytest.mark.parametrize("trouble", [Trouble.http(502), Trouble.drop(), Trouble.error(1, "busy"), Trouble.http(200)])
async def test_an_endpoint_in_trouble_is_asked_again(
    platform: Platform, trouble: Trouble, caplog: pytest.LogCaptureFixture
) -> None:
    platform.fail(ENDPOINT, times=2, with_=trouble)

    async with listening(platform):
        assert len(platform.calls(ENDPOINT)) == 3

    assert "next try in" in caplog.text
    assert "Traceback" not in caplog.text
    assert platform.app_secret not in caplog.text


async def test_an_endpoint_that_stalls_is_asked_again(platform: Platform) -> None:
    platform.ws.stall_endpoint(30)

    async with listening(platform, endpoint_timeout_s=0.3):
        assert len(platform.calls(ENDPOINT)) == 2


async def test_a_platform_that_is_away_is_no_end(platform: Platform) -> None:
    nowhere = replace(platform.credentials, domain="http://127.0.0.1:9")

    async with listening(platform, credentials=nowhere, connects=False) as running:
        await asyncio.sleep(0.3)

        assert not running.connection.is_connected


async def test_a_wrong_secret_is_said_once_and_tried_again(
    platform: Platform, caplog: pytest.LogCaptureFixture
) -> None:
    wrong = replace(platform.credentials, app_secret="a-wrong-secret")

    async with listening(platform, credentials=wrong, connects=False):
        await until(lambda: len(platform.calls(ENDPOINT)) >= 4)

    said = [one.getMessage() for one in caplog.records if "LARKWISE_FEISHU_APP_SECRET" in one.getMessage()]
    assert len(said) == 1
    assert "trying again" in said[0]
    assert "a-wrong-secret" not in caplog.text


async def test_an_app_of_the_other_platform_is_told_so(platform: Platform, caplog: pytest.LogCaptureFixture) -> None:
    platform.fail(ENDPOINT, times=1, with_=Trouble.error(1000040351, "Incorrect domain name", http=200))

    async with listening(platform):
        pass

    assert "LARKWISE_FEISHU_DOMAIN to feishu or lark" in caplog.text


# ---------------------------------------------------------------- its beginning and its end


def test_the_large_package_is_not_imported_before_it_is_needed() -> None:
    code = "import sys, app.feishu.longconn; sys.exit('lark_oapi' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


async def test_it_can_be_stopped_before_it_was_started(platform: Platform) -> None:
    LongConnection(platform.credentials, Kept(), asyncio.get_running_loop(), counted=list[str]().append).stop()


async def test_it_can_be_stopped_while_the_endpoint_stalls(platform: Platform) -> None:
    platform.ws.stall_endpoint(60)
    async with listening(platform, connects=False) as running:
        await until(lambda: platform.calls(ENDPOINT))
        began = time.monotonic()
        await asyncio.to_thread(running.connection.stop)

        assert time.monotonic() - began < 5


async def test_it_can_be_stopped_while_the_platform_is_silent(platform: Platform) -> None:
    async with listening(platform) as running:
        await asyncio.to_thread(platform.ws.go_silent)
        began = time.monotonic()
        await asyncio.to_thread(running.connection.stop)

        assert time.monotonic() - began < 5


async def test_it_can_be_stopped_at_once_and_twice(platform: Platform) -> None:
    async with listening(platform, connects=False) as running:
        await asyncio.to_thread(running.connection.stop)


async def test_an_event_that_is_being_received_is_acknowledged_before_the_end(
    platform: Platform, event: dict[str, Any]
) -> None:
    async with listening(platform) as running:
        running.kept.held = event["header"]["event_id"]
        waiting = asyncio.create_task(platform.ws.push_async(event))
        await until(lambda: running.kept.loops)
        stopping = asyncio.create_task(asyncio.to_thread(running.connection.stop))
        await asyncio.sleep(0.1)
        running.kept.gate.set()

        assert (await waiting).code == 200
        await stopping


async def test_nothing_of_what_people_write_is_logged(
    platform: Platform, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    sent = message(platform, "a word of mine")
    with caplog.at_level(logging.DEBUG):
        async with listening(platform):
            await platform.ws.push_async(sent)
            await asyncio.to_thread(platform.ws.close_all)

    logged = caplog.text + "".join(capfd.readouterr())
    clients = ("app.", "Lark", "httpx", "httpcore", "websockets.client")  # the platform is in this process too
    ours = [one for one in caplog.records if one.name.startswith(clients)]
    assert ours
    for secret in ("a word of mine", platform.app_secret, "access_key"):
        assert not [one for one in ours if secret in one.getMessage()], secret
    assert "[Lark]" not in logged
    assert not logging.getLogger("Lark").handlers


def _coroutines(connection: LongConnection) -> list[Any]:
    """What is running on its loop."""
    assert connection._started is not None
    return [task.get_coro() for task in asyncio.all_tasks(connection._started[1])]


def _is_heard(platform: Platform, event: dict[str, Any]) -> bool:
    """The platform may choose one of the connections that it still holds to be open."""
    try:
        return platform.ws.push(event, seconds=0.3).code == 200
    except TimeoutError:
        return False
