"""The fake open platform keeps CardKit's rules."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.app.feishu.platform import Platform, SentMessage
from tests.app.feishu.platform_api import STREAMING_CARD, Api

BUTTON = {
    "tag": "button",
    "text": {"tag": "plain_text", "content": "👍"},
    "behaviors": [{"type": "callback", "value": {"action": "up"}}],
}

BUTTON_WITH_A_WORD = {**BUTTON, "behaviors": [{"type": "callback", "value": "up"}]}


@pytest.fixture
def question(platform: Platform) -> SentMessage:
    li = platform.user("Li")
    return platform.says(li, platform.p2p(li), "hello")


def said(*contents: str, **config: Any) -> dict[str, Any]:
    """A card of such Markdown."""
    elements = [{"tag": "markdown", "content": content} for content in contents]
    return {"schema": "2.0", "config": config, "body": {"elements": elements}}


def send(api: Api, question: SentMessage, content: dict[str, Any]) -> tuple[int, Any]:
    body = {"msg_type": "interactive", "content": json.dumps(content)}
    return api("POST", f"/im/v1/messages/{question.message_id}/reply", body)


def test_sequences_rise(platform: Platform, api: Api) -> None:
    card_id = api.new_card()[1]

    assert [api.stream(card_id, "x", sequence) for sequence in (0, 1, 1, 5, 4, 2**31)] == [
        300317, 0, 300317, 0, 300317, 300317,
    ]  # fmt: skip
    assert platform.card(card_id).sequence == 5


def test_a_uuid_is_done_once_and_not_for_something_else(platform: Platform, api: Api) -> None:
    card_id = api.new_card()[1]
    codes = [
        api.stream(card_id, "x", 1, uuid="a"),
        api.stream(card_id, "x", 1, uuid="a"),
        api.stream(card_id, "y", 2, uuid="a"),
    ]

    assert codes == [0, 0, 200770]
    assert len(platform.card(card_id).history) == 1


def test_streaming_ends_by_itself_after_ten_minutes_and_can_be_opened_again(platform: Platform, api: Api) -> None:
    card_id = api.new_card()[1]
    platform.clock.advance(599)
    assert api.stream(card_id, "x", 1) == 0
    platform.clock.advance(2)

    assert [api.stream(card_id, "y", sequence) for sequence in (2, 3)] == [200850, 300309]
    settings = {"settings": json.dumps({"config": {"streaming_mode": True}}), "sequence": 4}
    assert api("PATCH", f"/cardkit/v1/cards/{card_id}/settings", settings)[0] == 0
    assert api.stream(card_id, "y", 5) == 0


def test_a_card_that_is_not_streaming_takes_no_text(platform: Platform, api: Api) -> None:
    card_id = api.new_card()[1]
    body = {"settings": json.dumps({"config": {"streaming_mode": False}}), "sequence": 1}
    api("PATCH", f"/cardkit/v1/cards/{card_id}/settings", body)

    assert api.stream(card_id, "x", 2) == 300309
    assert not platform.card(card_id).streaming


def test_a_card_takes_ten_changes_a_second(platform: Platform, api: Api) -> None:
    platform.clock.stop()
    card_id = api.new_card()[1]

    assert [api.stream(card_id, "x", sequence) for sequence in range(1, 12)] == [0] * 10 + [230020]


def test_there_must_be_such_a_card_and_such_an_element(platform: Platform, api: Api) -> None:
    card_id = api.new_card()[1]
    body = {"content": "x", "sequence": 1}

    assert api("PUT", f"/cardkit/v1/cards/{card_id}/elements/other/content", body)[0] == 300313
    assert api.stream("7000000000000000000", "x", 1) == 200740
    platform.clock.advance(15 * 86400)
    api.renew()
    assert api.stream(card_id, "x", 1) == 200750
    assert platform.card(card_id).text("answer") == "…"


def test_a_card_is_sent_once(platform: Platform, api: Api, question: SentMessage) -> None:
    content = {"type": "card", "data": {"card_id": api.new_card()[1]}}

    assert send(api, question, content)[0] == 0
    assert send(api, question, content)[0] == 230099
    assert platform.sent()[0].card == STREAMING_CARD


TABLE = "| a | b |\n| --- | --- |\n| 1 | 2 |\n"


@pytest.mark.parametrize(
    ("card", "code"),
    [
        (said(*[TABLE] * 5), 0),
        (said(*[TABLE] * 6), 230099),
        (said("\n\n".join([TABLE] * 6)), 230099),
        (said("```\n" + "\n\n".join([TABLE] * 6) + "\n```"), 0),
        (said(*["x"] * 201), 300305),
        (said("x" * 31_000), 200860),
        (said("<at id=ou_nobody></at>"), 100290),
        (said("<at user_id='all'></at>"), 100290),
        (said("<at id=all></at>"), 0),
        (said("`<at user_id='all'>`"), 0),
        (said("![x](https://example.com/x.png)"), 200570),
        (said("x", update_multi=False), 300302),
        (said("x", no_such=True), 200621),
        ({"schema": "2.0", "body": {"elements": [{"tag": "action", "actions": [BUTTON]}]}}, 200861),
        ({"schema": "2.0", "body": {"elements": [{"tag": "markdown", "content": "x", "colour": "red"}]}}, 200621),
        ({"schema": "2.0", "body": {"elements": [BUTTON_WITH_A_WORD]}}, 200672),
    ],
)  # fmt: skip
def test_what_is_no_card(api: Api, card: dict[str, Any], code: int) -> None:
    assert api.new_card(card)[0] == code


def test_a_bad_card_in_a_message_has_its_error_inside(api: Api, question: SentMessage) -> None:
    body = {"msg_type": "interactive", "content": json.dumps(said(*[TABLE] * 6))}
    answer = api.http.post(f"/im/v1/messages/{question.message_id}/reply", json=body).json()

    assert answer["code"] == 230099
    assert "ErrCode: 11310" in answer["msg"]


def test_a_card_is_patched_for_two_weeks(platform: Platform, api: Api, question: SentMessage) -> None:
    message_id = send(api, question, said("one"))[1]["message_id"]
    patch = {"content": json.dumps(said("two"))}
    assert api("PATCH", f"/im/v1/messages/{message_id}", patch)[0] == 0
    assert platform.message(message_id).card == said("two")
    platform.clock.advance(14 * 86400 + 1)
    api.renew()

    assert api("PATCH", f"/im/v1/messages/{message_id}", patch)[0] == 230031


def test_a_card_sent_as_a_message_gets_an_id(platform: Platform, api: Api, question: SentMessage) -> None:
    message_id = send(api, question, STREAMING_CARD)[1]["message_id"]
    card_id = api("POST", "/cardkit/v1/cards/id_convert", {"message_id": message_id})[1]["card_id"]

    assert api.stream(card_id, "more", 1) == 0
    shown = platform.message(message_id).card
    assert shown is not None
    assert shown["body"]["elements"][0]["content"] == "more"


def test_only_a_button_of_the_card_that_is_not_streaming_can_be_clicked(
    platform: Platform, api: Api, question: SentMessage
) -> None:
    li = platform.user("Wu")
    card = {"schema": "2.0", "body": {"elements": [BUTTON]}}
    send(api, question, card)
    message = platform.sent()[0]

    assert platform.click(li, message, {"action": "up"})["event"]["action"]["value"] == {"action": "up"}
    with pytest.raises(AssertionError, match="no button"):
        platform.click(li, message, {"action": "down"})


def test_a_click_lets_its_card_be_changed_twice(platform: Platform, api: Api, question: SentMessage) -> None:
    send(api, question, {"schema": "2.0", "body": {"elements": [BUTTON]}})
    click = platform.click(platform.user("Wu"), platform.sent()[0], {"action": "up"})
    body = {"token": click["event"]["token"], "card": said("thanks")}

    assert [api("POST", "/interactive/v1/card/update", body)[0] for _ in range(3)] == [0, 0, 10002]
    assert platform.sent()[0].card == said("thanks")
