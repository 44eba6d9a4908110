"""The fake open platform delivers events as the real one does; lark-oapi reads them."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests.app.feishu.platform import Platform
from tests.app.feishu.platform.wire import decrypt, encrypt, signature
from tests.app.feishu.platform_lark import Lark


@dataclass(slots=True)
class Webhook:
    """What it got: headers, body; it answers with the statuses in turn, then with 200."""

    url: str = ""
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    answer: Callable[[dict[str, str], bytes], bytes] = lambda headers, body: b"{}"


@contextmanager
def webhook() -> Iterator[Webhook]:
    """On a free port."""
    hook = Webhook()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            headers, body = dict(self.headers), self.rfile.read(int(self.headers["Content-Length"]))
            hook.got.append((headers, body))
            self.send_response(hook.statuses.pop(0) if hook.statuses else 200)
            self.end_headers()
            self.wfile.write(hook.answer(headers, body))

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        hook.url = f"http://127.0.0.1:{server.server_address[1]}/feishu"
        try:
            yield hook
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def hook() -> Iterator[Webhook]:
    with webhook() as running:
        yield running


def message_event(platform: Platform, text: str = "hello") -> dict[str, Any]:
    li = platform.user("Li")
    return platform.event_of(platform.says(li, platform.p2p(li), text))


def test_the_published_vector_is_decrypted() -> None:
    assert decrypt("P37w+VZImNgPEO1RBhJ6RtKl7n6zymIbEG1pReEzghk=", "test key") == b"hello world"


def test_what_is_encrypted_can_be_decrypted_by_lark_oapi(lark: Lark) -> None:
    encrypted = encrypt("你好 🙂".encode(), "some key")

    assert lark.decrypt(encrypted, "some key") == "你好 🙂"
    assert decrypt(encrypted, "some key") == "你好 🙂".encode()


def test_the_signature_is_of_time_nonce_key_and_body() -> None:
    assert signature("timestamp", "nonce", "", b"x") == signature("time", "stampnonce", "", b"x")
    assert len(signature("timestamp", "nonce", "key", b"x")) == 64


async def test_lark_oapi_decrypts_verifies_and_dispatches_a_message(
    platform: Platform, lark: Lark, hook: Webhook
) -> None:
    dispatched = lark.dispatcher(platform)
    hook.answer = dispatched.answer

    delivery = await platform.sender(hook.url).deliver(message_event(platform, "你好"))

    assert (delivery.status, delivery.attempts, dispatched.refused) == (200, 1, [])
    assert [json.loads(one.event.message.content) for one in dispatched.messages] == [{"text": "你好"}]


async def test_lark_oapi_dispatches_reactions_recalls_and_clicks(platform: Platform, lark: Lark, hook: Webhook) -> None:
    dispatched = lark.dispatcher(platform)
    hook.answer = dispatched.answer
    li = platform.user("Li")
    message = platform.says(li, platform.p2p(li), "hello")
    sender = platform.sender(hook.url)
    for event in (platform.reacts(li, message, "THUMBSUP"), platform.recalls(message)):
        assert (await sender.deliver(event)).taken

    clicked = await sender.deliver(platform.click(li, message, {"action": "up"}, forged=True))

    assert clicked.json["toast"]["content"] == "thanks"
    assert dispatched.reactions[0].event.reaction_type.emoji_type == "THUMBSUP"
    assert dispatched.recalls[0].event.message_id == message.message_id
    assert dispatched.clicks[0].event.action.value == {"action": "up"}
    assert dispatched.clicks[0].event.operator.open_id == li.open_id


async def test_lark_oapi_refuses_what_is_signed_with_another_key(platform: Platform, lark: Lark, hook: Webhook) -> None:
    dispatched = lark.dispatcher(platform)
    event = message_event(platform)
    headers, body = platform.sender(hook.url).body_of(event)
    dispatched.answer({**headers, "X-Lark-Signature": "0" * 64}, body)

    assert dispatched.refused == [500]
    assert dispatched.messages == []


async def test_lark_oapi_answers_the_challenge(platform: Platform, lark: Lark, hook: Webhook) -> None:
    hook.answer = lark.dispatcher(platform).answer

    delivery = await platform.sender(hook.url).challenge()

    assert delivery.taken
    assert "X-Lark-Signature" not in hook.got[0][0]


async def test_a_wrong_answer_to_the_challenge_does_not_count(platform: Platform, hook: Webhook) -> None:
    assert not (await platform.sender(hook.url).challenge()).taken


async def test_an_event_that_is_not_taken_is_sent_again_four_times(platform: Platform, hook: Webhook) -> None:
    hook.statuses = [503] * 5
    event = message_event(platform)

    delivery = await platform.sender(hook.url, scale=1e-6).deliver(event)

    assert (delivery.status, delivery.statuses) == (503, (503,) * 5)
    sent = [json.loads(decrypt(json.loads(body)["encrypt"], platform.encrypt_key)) for _, body in hook.got]
    assert sent == [event] * 5


async def test_the_waits_between_the_tries_are_to_scale(platform: Platform, hook: Webhook) -> None:
    hook.statuses = [500, 500]
    sender = platform.sender(hook.url, schedule=(15, 300), scale=0.0001)
    loop_began = platform.clock.now()

    delivery = await sender.deliver(message_event(platform))

    assert (delivery.status, delivery.attempts) == (200, 3)
    assert platform.clock.now() - loop_began > 0.0315


async def test_who_does_not_answer_in_time_gets_it_again(platform: Platform, hook: Webhook) -> None:
    late = threading.Event()

    def slow_once(headers: dict[str, str], body: bytes) -> bytes:
        if len(hook.got) == 1:
            late.wait(5)
        return b"{}"

    hook.answer = slow_once
    sender = platform.sender(hook.url, scale=1e-6)
    sender.answer_s = 0.7

    delivery = await sender.deliver(message_event(platform))
    late.set()

    assert delivery.statuses == (0, 200)


async def test_a_click_is_tried_once(platform: Platform, hook: Webhook) -> None:
    hook.statuses = [500]
    li = platform.user("Li")
    message = platform.says(li, platform.p2p(li), "hello")

    delivery = await platform.sender(hook.url).deliver(platform.click(li, message, {}, forged=True))

    assert (delivery.status, delivery.attempts) == (500, 1)


def test_a_message_has_one_id_and_each_event_of_it_another(platform: Platform) -> None:
    li = platform.user("Li")
    message = platform.says(li, platform.group([li]), "@larkwise hi @Li", mentions=[platform.bot, li])
    first, second = platform.event_of(message), platform.event_of(message)

    assert first["header"]["event_id"] != second["header"]["event_id"]
    assert first["event"]["message"]["message_id"] == second["event"]["message"]["message_id"]
    assert json.loads(first["event"]["message"]["content"]) == {"text": "@_user_1 hi @_user_2"}
    assert [one["mentioned_type"] for one in first["event"]["message"]["mentions"]] == ["bot", "user"]
