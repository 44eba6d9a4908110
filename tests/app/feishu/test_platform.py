"""The fake open platform keeps the rules of the real one."""

from __future__ import annotations

import json
import queue
from typing import Any

import httpx
import pytest

from tests.app.feishu.platform import Chat, Platform, SentMessage, Trouble, User
from tests.app.feishu.platform_api import Api


@pytest.fixture
def li(platform: Platform) -> User:
    return platform.user("Li")


@pytest.fixture
def chat(platform: Platform, li: User) -> Chat:
    return platform.group([li])


@pytest.fixture
def question(platform: Platform, li: User, chat: Chat) -> SentMessage:
    return platform.says(li, chat, "@larkwise hello", mentions=[platform.bot])


def test_a_token_is_good_until_it_expires(platform: Platform, api: Api) -> None:
    assert api("GET", "/bot/v3/info")[0] == 0
    platform.clock.advance(7201)

    assert api("GET", "/bot/v3/info")[0] == 99991663


def test_with_less_than_half_an_hour_left_there_is_another_token_and_both_are_good(
    platform: Platform, api: Api
) -> None:
    first = api.http.headers["Authorization"]
    platform.clock.advance(7200 - 1801)
    assert f"Bearer {api.new_token()}" == first
    platform.clock.advance(2)
    second = f"Bearer {api.new_token()}"
    assert second != first

    for token in (first, second):
        api.http.headers["Authorization"] = token
        assert api("GET", "/bot/v3/info")[0] == 0


def test_tokens_that_are_revoked_or_malformed_are_refused(platform: Platform, api: Api) -> None:
    platform.revoke_tokens()
    assert api("GET", "/bot/v3/info")[0] == 99991663
    api.http.headers["Authorization"] = "Bearer something"
    assert api("GET", "/bot/v3/info")[0] == 99991671
    assert api.new_token(secret="wrong") == "10014"


def test_a_uuid_does_a_thing_once_within_an_hour(platform: Platform, api: Api, question: SentMessage) -> None:
    first, second = (api.reply(question, "hi", uuid="one") for _ in range(2))
    assert first[1]["message_id"] == second[1]["message_id"]
    platform.clock.advance(3601)

    api.reply(question, "hi", uuid="one")

    assert len(platform.sent()) == 2


def test_what_is_done_and_then_dropped_is_not_done_again_under_its_uuid(
    platform: Platform, api: Api, question: SentMessage
) -> None:
    planned = platform.fail("/reply", with_=Trouble.drop_after())
    with pytest.raises(httpx.RemoteProtocolError):
        api.reply(question, "hi", uuid="one")
    assert len(platform.sent()) == 1
    assert planned.hits[0].status == 0

    code, data = api.reply(question, "hi", uuid="one")

    assert (code, [data["message_id"]]) == (0, [one.message_id for one in platform.sent()])


def test_what_is_dropped_is_not_done(platform: Platform, api: Api, question: SentMessage) -> None:
    platform.fail("/reply", with_=Trouble.drop())
    with pytest.raises(httpx.RemoteProtocolError):
        api.reply(question, "hi")

    assert platform.sent() == []


def test_a_chat_takes_five_messages_a_second(platform: Platform, api: Api, question: SentMessage) -> None:
    platform.clock.stop()
    codes = [api.reply(question, "hi")[0] for _ in range(6)]
    platform.clock.advance(1)

    assert codes == [0, 0, 0, 0, 0, 230020]
    assert api.reply(question, "hi")[0] == 0


def test_too_many_calls_of_an_api_are_told_when_there_is_room(platform: Platform, api: Api) -> None:
    platform.clock.stop()
    platform.limits.api_qps = 3
    answers = [api.http.get("/bot/v3/info") for _ in range(4)]

    assert [one.status_code for one in answers] == [200, 200, 200, 429]
    assert answers[-1].headers["x-ogw-ratelimit-reset"] == "1"
    assert answers[-1].json()["code"] == 99991400


def test_texts_may_have_150_kb_and_cards_30(platform: Platform, api: Api, question: SentMessage) -> None:
    assert api.reply(question, "x" * 150_000)[0] == 0
    assert api.reply(question, "x" * 154_000)[0] == 230025
    card = {"schema": "2.0", "body": {"elements": [{"tag": "markdown", "content": "x" * 31_000}]}}
    body = {"msg_type": "interactive", "content": json.dumps(card)}
    assert api("POST", f"/im/v1/messages/{question.message_id}/reply", body)[0] == 230025


def test_what_cannot_be_answered(platform: Platform, api: Api, question: SentMessage, chat: Chat) -> None:
    platform.delete(question.message_id)
    assert api.reply(question, "hi")[0] == 230011
    platform.remove_bot(chat)
    assert api.reply(question, "hi")[0] == 230002


def test_replies_in_a_thread_stay_there(platform: Platform, api: Api, question: SentMessage, chat: Chat) -> None:
    thread = api.reply(question, "one", reply_in_thread=True)[1]["thread_id"]
    second = platform.says(platform.user("Wu"), chat, "two", thread_id=thread)
    answer = api.reply(second, "three")[1]

    assert (answer["thread_id"], answer["root_id"], answer["parent_id"]) == (thread, *[question.message_id] * 2)
    listed = api("GET", "/im/v1/messages", container_id_type="chat", container_id=chat.chat_id)[1]["items"]
    in_thread = api("GET", "/im/v1/messages", container_id_type="thread", container_id=thread)[1]["items"]
    assert (len(listed), len(in_thread)) == (1, 4)


def test_a_history_comes_in_pages_and_an_empty_one_may_have_more(
    platform: Platform, api: Api, li: User, chat: Chat
) -> None:
    for number in range(5):
        platform.says(li, chat, str(number))
    platform.empty_pages.add("/im/v1/messages")
    found, page, token = [], None, ""
    while page is None or page["has_more"]:
        params = {"container_id_type": "chat", "container_id": chat.chat_id, "page_size": 2, "page_token": token}
        page = api("GET", "/im/v1/messages", **params)[1]
        found.append([json.loads(one["body"]["content"])["text"] for one in page["items"]])
        token = page.get("page_token", "")

    assert found == [[], ["0", "1"], ["2", "3"], ["4"]]


def test_images_of_people_are_had_with_their_message_only(platform: Platform, api: Api, li: User, chat: Chat) -> None:
    image = platform.image(li, chat, b"\x89PNG...")
    key = image.content["image_key"]
    path = f"/im/v1/messages/{image.message_id}/resources/{key}"
    got = api.http.get(path, params={"type": "image"}, headers={"Content-Type": "application/json"})
    assert (got.content, got.headers["Content-Length"]) == (b"\x89PNG...", "7")
    assert "filename=" in got.headers["Content-Disposition"]

    assert api("GET", f"/im/v1/images/{key}")[0] == 234008
    bundle = platform.forwards(li, chat, [image])
    inner = api("GET", f"/im/v1/messages/{bundle.message_id}")[1]["items"][1]
    assert api("GET", f"/im/v1/messages/{inner['message_id']}/resources/{key}", type="image")[0] == 234043


def test_a_missing_permission_is_named(platform: Platform, api: Api, question: SentMessage) -> None:
    platform.scopes.clear()
    answer = api.http.post(f"/im/v1/messages/{question.message_id}/reply", json={}).json()

    assert answer["code"] == 99991672
    assert answer["error"]["permission_violations"][0]["subject"] == "im:message"


def test_a_list_of_what_the_app_may_do(platform: Platform, api: Api) -> None:
    platform.scopes.clear()
    platform.scopes.add("im:message")

    granted = {"scope_name": "im:message", "grant_status": 1, "scope_type": "tenant"}
    assert api("GET", "/application/v6/scopes")[1] == {"scopes": [granted]}


def test_reading_a_group_needs_a_permission_of_its_own(
    platform: Platform, api: Api, li: User, question: SentMessage
) -> None:
    platform.scopes.discard("im:message.group_msg")
    private = platform.says(li, platform.p2p(li), "hello")

    assert api("GET", f"/im/v1/messages/{question.message_id}")[0] == 230027
    assert api("GET", f"/im/v1/messages/{private.message_id}")[0] == 0


def test_a_recalled_message_is_read_without_its_content(platform: Platform, api: Api, question: SentMessage) -> None:
    event = platform.recalls(question)
    item = api("GET", f"/im/v1/messages/{question.message_id}")[1]["items"][0]

    assert (item["deleted"], item["body"]["content"]) == (True, "This message was recalled")
    assert event["event"]["message_id"] == question.message_id


def test_the_bots_own_reactions_are_told_as_an_apps(platform: Platform, api: Api, question: SentMessage) -> None:
    told: queue.Queue[dict[str, Any]] = queue.Queue()
    platform.on_event(told.put)
    body = {"reaction_type": {"emoji_type": "Typing"}}
    code, reaction = api("POST", f"/im/v1/messages/{question.message_id}/reactions", body)

    event = told.get(timeout=5)
    assert (code, event["event"]["operator_type"]) == (0, "app")
    path = f"/im/v1/messages/{question.message_id}/reactions/{reaction['reaction_id']}"
    assert (api("DELETE", path)[0], platform.reactions(question.message_id)) == (0, [])
