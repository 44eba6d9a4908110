"""Deliveries as larkwise understands them."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from app.feishu.events import Clicked, MessageReceived, Reacted, Recalled, Unneeded, as_json, event_of, message_from
from tests.app.feishu.platform import Platform

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=10,
)


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


def test_what_apps_write_and_do_is_not_needed(platform: Platform) -> None:
    li = platform.user("Li")
    payload = platform.event_of(platform.says(li, platform.p2p(li), "hello"))
    payload["event"]["sender"]["sender_type"] = "app"
    assert isinstance(event_of(payload), Unneeded)
    payload = platform.reacts(li, platform.says(li, platform.p2p(li), "hello"), "OK")
    payload["event"]["operator_type"] = "app"
    assert isinstance(event_of(payload), Unneeded)


def test_a_time_that_no_database_could_keep_is_not_read(platform: Platform) -> None:
    li = platform.user("Li")
    payload = platform.event_of(platform.says(li, platform.p2p(li), "hello"))
    payload["event"]["message"]["create_time"] = str(2**70)
    assert isinstance(event_of(payload), Unneeded)


@given(st.dictionaries(st.sampled_from(["schema", "header", "event", "type"]), JSON))
def test_whatever_comes_is_read_without_an_error(payload: dict[str, Any]) -> None:
    event_of(payload)


@given(
    JSON,
    st.sampled_from(
        ["im.message.receive_v1", "im.message.reaction.created_v1", "card.action.trigger", "im.message.recalled_v1"]
    ),
)
def test_a_known_event_of_another_shape_is_not_needed(event: object, kind: str) -> None:
    payload = {"schema": "2.0", "header": {"event_id": "e", "event_type": kind}, "event": event}
    assert isinstance(event_of(payload), Unneeded)
