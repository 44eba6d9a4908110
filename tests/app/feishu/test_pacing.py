"""No more calls than Feishu wants, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from app.feishu.pacing import Pacing, Place, Rate, api, card, chat
from tests.app.feishu.virtual_time import VirtualTime, settled


@pytest.fixture
def time() -> VirtualTime:
    return VirtualTime()


@pytest.fixture
def pacing(time: VirtualTime) -> Pacing:
    return Pacing(clock=time.now, sleep=time.sleep)


async def passed(pacing: Pacing, time: VirtualTime, calls: int, places: Sequence[Place]) -> list[float]:
    """After how many seconds each of so many calls that come together has its turn."""
    began, times = time.now(), []

    async def call() -> None:
        await pacing.turn(places)
        times.append(time.now() - began)

    async with time.passing():
        await asyncio.gather(*(call() for _ in range(calls)))
    return times


async def test_five_messages_go_into_a_chat_at_once_and_the_sixth_a_second_later(
    pacing: Pacing, time: VirtualTime
) -> None:
    times = await passed(pacing, time, 6, [chat("oc_1")])

    assert times[:5] == [0.0] * 5
    assert 1.0 <= times[5] < 1.2


async def test_no_second_has_more_than_five_messages(pacing: Pacing, time: VirtualTime) -> None:
    times = await passed(pacing, time, 40, [chat("oc_1")])

    assert all(later - earlier >= 1.0 for earlier, later in zip(times, times[5:], strict=False))
    assert times[-1] < 8


async def test_chats_do_not_wait_for_each_other(pacing: Pacing, time: VirtualTime) -> None:
    await passed(pacing, time, 5, [chat("oc_1")])

    assert await passed(pacing, time, 5, [chat("oc_2")]) == [0.0] * 5


async def test_a_card_takes_ten_changes_a_second(pacing: Pacing, time: VirtualTime) -> None:
    times = await passed(pacing, time, 11, [card("7355")])

    assert times[9] == 0.0
    assert times[10] >= 1.0


async def test_an_api_takes_50_calls_a_second_and_1000_a_minute(pacing: Pacing, time: VirtualTime) -> None:
    times = await passed(pacing, time, 1050, [api("POST", "/open-apis/im/v1/messages")])

    assert all(later - earlier >= 1.0 for earlier, later in zip(times, times[50:], strict=False))
    assert times[999] < 25
    assert times[1000] >= 60


async def test_a_call_that_waits_for_its_chat_does_not_keep_others_from_the_api(
    pacing: Pacing, time: VirtualTime
) -> None:
    reply = api("POST", "/open-apis/im/v1/messages/om_1/reply")
    pacing.hold(chat("oc_busy"), 30)
    waiting = asyncio.create_task(pacing.turn([chat("oc_busy"), reply]))
    await settled()

    assert await passed(pacing, time, 1, [chat("oc_idle"), reply]) == [0.0]
    waiting.cancel()


async def test_whoever_came_first_is_first(pacing: Pacing, time: VirtualTime) -> None:
    order = []

    async def call(number: int) -> None:
        await pacing.turn([chat("oc_1")])
        order.append(number)

    async with time.passing():
        await asyncio.gather(*(call(number) for number in range(20)))

    assert order == list(range(20))


async def test_whoever_waits_may_leave_and_takes_nobodys_turn(pacing: Pacing, time: VirtualTime) -> None:
    await passed(pacing, time, 5, [chat("oc_1")])
    leaving = [asyncio.create_task(pacing.turn([chat("oc_1")])) for _ in range(50)]
    await settled()
    for task in leaving:
        task.cancel()
    await asyncio.wait(leaving)

    times = await passed(pacing, time, 5, [chat("oc_1")])

    assert all(1.0 <= at < 1.2 for at in times)


async def test_nobody_passes_a_place_that_is_held_and_a_shorter_hold_does_not_end_a_longer(
    pacing: Pacing, time: VirtualTime
) -> None:
    pacing.hold(chat("oc_1"), 30)
    pacing.hold(chat("oc_1"), 2)

    assert await passed(pacing, time, 2, [chat("oc_1")]) == [30.0, 30.0]


async def test_a_hold_also_stops_those_who_wait_already(pacing: Pacing, time: VirtualTime) -> None:
    began = time.now()
    await passed(pacing, time, 5, [chat("oc_1")])
    waiting = asyncio.create_task(pacing.turn([chat("oc_1")]))
    await settled()
    pacing.hold(chat("oc_1"), 30)

    async with time.passing():
        await waiting

    assert time.now() - began == 30.0


async def test_chats_of_long_ago_take_no_memory(pacing: Pacing, time: VirtualTime) -> None:
    for number in range(5000):
        await pacing.turn([chat(f"oc_{number}")])
        time.advance(1)

    assert len(pacing._lines) <= 1000


async def test_a_chat_that_is_busy_is_not_forgotten_among_many_others(pacing: Pacing, time: VirtualTime) -> None:
    await passed(pacing, time, 5, [chat("oc_busy")])
    for number in range(3000):
        await pacing.turn([chat(f"oc_{number}")])

    assert (await passed(pacing, time, 1, [chat("oc_busy")]))[0] >= 1.0


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("/open-apis/im/v1/messages/om_dc13264520392913993dd051dba21dcf/reply", "/open-apis/im/v1/messages/om_1/reply"),
        ("/open-apis/cardkit/v1/cards/7355372766134157313/settings", "/open-apis/cardkit/v1/cards/7355/settings"),
        ("/open-apis/wiki/v2/spaces/7034502641455497244/nodes", "/open-apis/wiki/v2/spaces/1/nodes"),
        ("/open-apis/docx/v1/documents/doxcnePuYufKa49ISjhD8Ih0ikh/blocks", "/open-apis/docx/v1/documents/d1/blocks"),
    ],
)
def test_an_api_is_the_same_whatever_ids_are_in_its_path(one: str, other: str) -> None:
    assert api("GET", one) == api("GET", other)


def test_different_apis_have_their_own_lines() -> None:
    paths = ["/open-apis/im/v1/messages", "/open-apis/im/v1/messages/om_1", "/open-apis/im/v1/messages/om_1/reply"]

    keys = {api(method, path).key for method in ("GET", "POST") for path in paths}

    assert len(keys) == 6


@pytest.mark.parametrize(
    ("path", "rate"),
    [
        ("/open-apis/docx/v1/documents/doxcn1/raw_content", Rate(5, 1.0)),
        ("/open-apis/drive/v1/files", Rate(5, 1.0)),
        ("/open-apis/wiki/v2/spaces/7034/nodes", Rate(100, 60.0)),
        ("/open-apis/im/v1/messages", Rate(1000, 60.0)),
    ],
)
def test_documents_are_read_at_the_slower_pace_that_feishu_wants_there(path: str, rate: Rate) -> None:
    assert rate in api("GET", path).rates
