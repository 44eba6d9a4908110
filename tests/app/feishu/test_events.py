"""Deliveries as larkwise understands them."""

from __future__ import annotations

import logging
from time import time as now_s
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.database import Database
from app.feishu.content import Said, said
from app.feishu.events import (
    Clicked,
    Mention,
    MessageReceived,
    Reacted,
    Recalled,
    Unneeded,
    as_json,
    event_of,
    message_from,
)
from app.feishu.inbox import Inbox
from app.feishu.reception import Reception
from tests.app.feishu.platform import Platform

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=10,
)
unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


def message_in(platform: Platform) -> dict[str, Any]:
    """Of Li, to the bot in a group."""
    li = platform.user("Li")
    return platform.event_of(platform.says(li, platform.group([li]), "@larkwise hello", mentions=[platform.bot]))


def message_of(payload: dict[str, Any]) -> MessageReceived:
    event = event_of(payload)
    assert isinstance(event, MessageReceived), event
    return event


def test_a_message_is_read_and_can_be_kept(platform: Platform) -> None:
    li = platform.user("Li")
    group = platform.group([li])
    message = platform.says(li, group, "@larkwise hello", mentions=[platform.bot], thread_id="omt_1")
    event = event_of(platform.event_of(message))
    assert isinstance(event, MessageReceived)
    assert (event.message_id, event.chat_id, event.person) == (message.message_id, group.chat_id, li.open_id)
    assert event.is_in_group
    assert event.session == "omt_1"
    assert event.mentions[0].open_id == platform.bot_open_id
    assert message_from(as_json(event)) == event


def test_a_conversation_is_a_thread_or_hangs_on_a_message_or_is_the_chat(platform: Platform) -> None:
    li = platform.user("Li")
    chat = platform.p2p(li)
    first = platform.says(li, chat, "hello")
    reply = platform.says(li, chat, "and?", root=first)
    sessions = [
        event.session
        for one in (first, reply)
        if isinstance(event := event_of(platform.event_of(one)), MessageReceived)
    ]
    assert sessions == [chat.chat_id, first.message_id]


def test_reactions_of_people_and_recalls_are_read(platform: Platform) -> None:
    li = platform.user("Li")
    message = platform.says(li, platform.p2p(li), "hello")
    reacted = event_of(platform.reacts(li, message, "THUMBSUP"))
    assert isinstance(reacted, Reacted)
    assert (reacted.message_id, reacted.person, reacted.emoji) == (message.message_id, li.open_id, "THUMBSUP")
    recalled = event_of(platform.recalls(message))
    assert isinstance(recalled, Recalled)
    assert recalled.message_id == message.message_id


def test_a_click_has_only_texts_in_its_value(platform: Platform) -> None:
    li = platform.user("Li")
    message = platform.says(li, platform.p2p(li), "hello")
    clicked = event_of(platform.click(li, message, {"action": "thumbs_up", "turn": 7}, forged=True))
    assert isinstance(clicked, Clicked)
    assert dict(clicked.value) == {"action": "thumbs_up", "turn": "7"}
    assert clicked.chat_id == message.chat_id


def test_a_click_is_put_in_order_with_messages_though_feishu_tells_its_time_in_microseconds(platform: Platform) -> None:
    li = platform.user("Li")
    chat = platform.p2p(li)
    before = platform.says(li, chat, "hello")
    payload = platform.click(li, before, {"action": "regenerate"}, forged=True)
    after = platform.says(li, chat, "and?")
    clicked = event_of(payload)
    assert isinstance(clicked, Clicked)
    assert len(payload["header"]["create_time"]) == 16
    assert before.created_ms <= clicked.created_ms <= after.created_ms


def test_what_apps_write_and_do_is_not_needed(platform: Platform) -> None:
    li = platform.user("Li")
    payload = platform.event_of(platform.says(li, platform.p2p(li), "hello"))
    payload["event"]["sender"]["sender_type"] = "app"
    assert isinstance(event_of(payload), Unneeded)
    payload = platform.reacts(li, platform.says(li, platform.p2p(li), "hello"), "OK")
    payload["event"]["operator_type"] = "app"
    assert isinstance(event_of(payload), Unneeded)


@pytest.mark.parametrize("time", [str(2**70), "-1", "soon", "", None, {}])
def test_a_time_that_cannot_be_kept_or_read_gives_way_to_the_events_own(platform: Platform, time: object) -> None:
    payload = message_in(platform)
    payload["event"]["message"]["create_time"] = time
    payload["header"]["create_time"] = "1608725989000"
    assert message_of(payload).created_ms == 1608725989000


@pytest.mark.parametrize("time", [str(2**70), "soon", "", None])
def test_an_event_without_any_time_that_can_be_read_is_of_now(platform: Platform, time: object) -> None:
    payload = message_in(platform)
    payload["event"]["message"]["create_time"] = payload["header"]["create_time"] = time
    assert abs(message_of(payload).created_ms - now_s() * 1000) < 60_000


@pytest.mark.parametrize("nothing", [None, ""])
@pytest.mark.parametrize(
    "path",
    [
        "message.content",
        "message.root_id",
        "message.thread_id",
        "message.mentions",
        "message.mentions.0.id",
        "message.mentions.0.id.open_id",
        "message.mentions.0.name",
        "message.mentions.0.key",
        "sender.sender_id",
        "sender.sender_id.open_id",
    ],
)
def test_what_a_message_need_not_have_may_be_null_or_empty(platform: Platform, path: str, nothing: object) -> None:
    payload = message_in(platform)
    *way, last = path.split(".")
    place: Any = payload["event"]
    for name in way:
        place = place[int(name)] if name.isdigit() else place[name]
    place[last] = nothing
    assert message_of(payload).message_id == payload["event"]["message"]["message_id"]


def test_a_name_without_a_placeholder_leaves_the_text_as_it_is() -> None:
    assert said("text", '{"text": "hello"}', [Mention("", "ou_li", "Li")]) == Said("hello")


async def test_a_known_event_that_cannot_be_read_is_logged_louder_than_one_that_is_not_known(
    platform: Platform, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    reception = Reception(cast(Inbox, None), cast(Database, None), lambda: "")
    broken, unknown = message_in(platform), message_in(platform)
    broken["event"]["message"]["chat_id"] = None
    unknown["header"]["event_type"] = "contact.user.created_v3"
    for payload in (broken, unknown):
        assert await reception.receive(payload) == {}
    levels = {record.levelno: record.getMessage() for record in caplog.records if "nothing is done" in record.message}
    assert "message.chat_id" in levels[logging.WARNING]
    assert "contact.user.created_v3" in levels[logging.INFO]


@unhurried
@given(st.dictionaries(st.sampled_from(["schema", "header", "event", "type"]), JSON))
def test_whatever_comes_is_read_without_an_error(payload: dict[str, Any]) -> None:
    event_of(payload)


@unhurried
@given(
    JSON,
    st.sampled_from(
        ["im.message.receive_v1", "im.message.reaction.created_v1", "card.action.trigger", "im.message.recalled_v1"]
    ),
)
def test_a_known_event_of_another_shape_is_not_needed(event: object, kind: str) -> None:
    payload = {"schema": "2.0", "header": {"event_id": "e", "event_type": kind}, "event": event}
    assert isinstance(event_of(payload), Unneeded)
