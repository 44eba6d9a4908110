"""The webhook: what is Feishu's is taken, in the order of its checks; the rest is refused in one way."""

from __future__ import annotations

import json
import logging
import socket
import time
from collections.abc import Iterator

import httpx
import pytest

from app.feishu.deliveries import Delivery, Keys, open_delivery
from app.feishu.errors import NotAuthentic
from app.feishu.receiving import Allowance
from tests.app.feishu.platform import Platform
from tests.app.feishu.webhooks import (
    KEYS,
    Webhook,
    app_with,
    challenge,
    delivery_of,
    event,
    running_webhook,
    sealed,
    seen,
    signed,
)
from tests.app.servers import running

MIB = 1024 * 1024
DAY_S = 24 * 3600


@pytest.fixture(scope="module")
def webhook() -> Iterator[Webhook]:
    """One for the whole file, and challenges without end: what is compared is the answers."""
    with running_webhook() as webhook:
        yield webhook


@pytest.fixture(scope="module")
def refusal(webhook: Webhook) -> tuple[object, ...]:
    """What everything that is not authentic is answered."""
    return seen(webhook.post({}, b"hello"))


# ---------------------------------------------------------------- what is taken


@pytest.mark.parametrize("path", ["/feishu/webhook", "/feishu/card_callback"])
@pytest.mark.parametrize("kind", ["im.message.receive_v1", "card.action.trigger", "vc.meeting.of_tomorrow_v9"])
def test_a_signed_event_of_whatever_kind_is_kept_and_answered_200(webhook: Webhook, path: str, kind: str) -> None:
    sent = event(event_type=kind)

    response = webhook.deliver(sent, path=path)

    assert (response.status_code, response.json()) == (200, {})
    assert webhook.kept.payloads[-1] == sent
    assert webhook.outcomes[-1] == "accepted"


def test_a_click_is_answered_with_what_the_receiver_says() -> None:
    with running_webhook() as webhook:
        webhook.kept.answer = {"toast": {"type": "success", "content": '谢谢 "you" \ud83d'}}

        response = webhook.deliver(event(event_type="card.action.trigger"))

    assert response.json() == webhook.kept.answer


def test_an_event_of_the_platform_is_taken(webhook: Webhook, platform: Platform) -> None:
    keys = Keys(platform.app_id, platform.encrypt_key, platform.verification_token)
    user = platform.user("Li")
    sent = platform.event_of(platform.says(user, platform.p2p(user), "你好"))
    headers, body = platform.sender("http://127.0.0.1").body_of(sent)

    assert open_delivery(headers, body, keys, now_s=time.time()) == Delivery(sent)


async def test_the_platform_accepts_the_answer_to_its_challenge(platform: Platform) -> None:
    with running_webhook() as webhook:
        sender = platform.sender(f"{webhook.url}/feishu/webhook")
        sender.encrypt_key = KEYS.encrypt_key
        platform.state.verification_token = KEYS.verification_token

        delivery = await sender.challenge()

    assert delivery.taken


@pytest.mark.parametrize("text", ["ajls384kdjx98XX", 'a"b', "a\\b</script>", "5634b122-c042-4634-bc7f-b07a3c3e77ad"])
@pytest.mark.parametrize("with_signature", [False, True])
def test_a_challenge_is_answered_and_escaped(webhook: Webhook, text: str, with_signature: bool) -> None:
    body = sealed(challenge(text))

    response = webhook.post(signed(body) if with_signature else {}, body)

    assert (response.status_code, response.json()) == (200, {"challenge": text})
    assert response.headers["content-type"] == "application/json"
    assert webhook.outcomes[-1] == "challenge"


def test_a_signed_challenge_may_hold_any_characters(webhook: Webhook) -> None:
    assert webhook.deliver(challenge("你好 \ud83d")).json() == {"challenge": "你好 \ud83d"}


@pytest.mark.parametrize(("age_s", "status"), [(DAY_S - 60, 200), (-540, 200), (DAY_S + 60, 401), (-660, 401)])
def test_a_signature_may_be_a_day_old_and_ten_minutes_early(webhook: Webhook, age_s: int, status: int) -> None:
    headers, body = delivery_of(event(), timestamp=str(int(time.time()) - age_s))

    assert webhook.post(headers, body).status_code == status


def test_an_event_that_cannot_be_kept_is_503_and_should_come_again() -> None:
    with running_webhook() as webhook:
        webhook.kept.is_unavailable = True

        response = webhook.deliver(event())

    assert response.status_code == 503
    assert response.json()["error"]["code"] == "unavailable"
    assert int(response.headers["Retry-After"]) > 0
    assert "database" not in response.text
    assert webhook.outcomes == ["unavailable"]


@pytest.mark.parametrize("path", ["/feishu/webhook", "/feishu/card_callback"])
def test_without_an_app_there_is_no_webhook(path: str) -> None:
    with running(app_with(None)) as url:
        response = httpx.post(url + path, content=b"{}", trust_env=False)

    assert response.status_code == 404
    assert response.json()["error"]["code"] == "not_found"


# ---------------------------------------------------------------- the order: size, signature, encryption, token, app


def test_a_body_that_says_it_is_too_large_is_refused_before_it_is_sent(webhook: Webhook) -> None:
    head = f"POST /feishu/webhook HTTP/1.1\r\nHost: x\r\nContent-Length: {MIB + 1}\r\n\r\n".encode()

    assert _raw(webhook, head).startswith(b"HTTP/1.1 413 ")
    assert webhook.outcomes[-1] == "too_large"


def test_a_body_of_unknown_length_is_read_up_to_the_limit(webhook: Webhook) -> None:
    head = b"POST /feishu/webhook HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"

    answer = _raw(webhook, head + chunk * 16 + b"1\r\n \r\n")  # it does not end

    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b'"too_large"' in answer


def test_a_body_just_below_the_limit_is_read(webhook: Webhook, refusal: tuple[object, ...]) -> None:
    assert seen(webhook.post({}, b" " * MIB)) == refusal


def test_a_client_that_goes_away_is_no_error(capfd: pytest.CaptureFixture[str]) -> None:
    with running_webhook() as webhook:
        host, port = webhook.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as connection:
            connection.sendall(b"POST /feishu/webhook HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc")
            assert webhook.deliver(event()).status_code == 200  # by now the other one is being read

    assert "Traceback" not in capfd.readouterr().err
    assert webhook.outcomes == ["accepted"]


def test_the_signature_comes_before_the_decryption() -> None:
    def never() -> bool:
        raise AssertionError("it was looked into")

    headers, body = delivery_of(event())
    assert isinstance(open_delivery(headers, body, KEYS, now_s=time.time(), may_look=never), Delivery)

    with pytest.raises(NotAuthentic, match="too many"):
        open_delivery({}, sealed(challenge("x")), KEYS, now_s=time.time(), may_look=lambda: False)


def test_unsigned_bodies_are_looked_into_only_so_often() -> None:
    with running_webhook(challenges=Allowance(at_once=3, per_s=0)) as webhook:
        answers = [webhook.post({}, sealed(challenge("x"))) for _ in range(5)]
        garbage = webhook.post({}, b"")
        event_after_that = webhook.deliver(event())

    assert [one.status_code for one in answers] == [200, 200, 200, 401, 401]
    assert seen(answers[-1]) == seen(garbage)
    assert event_after_that.status_code == 200


def test_an_allowance_grows_again() -> None:
    now = [0.0]
    allowance = Allowance(at_once=2, per_s=0.1, clock=lambda: now[0])

    assert [allowance.take() for _ in range(3)] == [True, True, False]
    now[0] = 10.0
    assert [allowance.take() for _ in range(2)] == [True, False]
    now[0] = 1000.0
    assert [allowance.take() for _ in range(3)] == [True, True, False]


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        pytest.param({}, b"", id="nothing"),
        pytest.param({}, b"[" * 100_000, id="many brackets"),
        pytest.param({}, b'{"encrypt": "' + b"A" * 1000, id="cut"),
        pytest.param({}, b'{"encrypt": 7}', id="a number"),
        pytest.param({}, b'{"encrypt": "\xc3\xa4"}', id="not Base64"),
        pytest.param({}, b'{"encrypt": "AAAA"}', id="short"),
        pytest.param({}, json.dumps(event()).encode(), id="plain"),
        pytest.param({}, json.dumps(challenge("x")).encode(), id="a plain challenge"),
        pytest.param({}, sealed(event()), id="unsigned"),
        pytest.param({}, sealed(challenge("x", token="another")), id="a challenge with another token"),
        pytest.param({}, sealed(challenge("ä")), id="an unsigned challenge that Feishu would not send"),
        pytest.param({}, sealed({"type": "url_verification", "token": KEYS.verification_token}), id="no challenge"),
        pytest.param({}, sealed(challenge("x"), key="another"), id="a challenge with another key"),
        pytest.param(*delivery_of(event(), key="another"), id="another key"),
        pytest.param(*delivery_of(event(), timestamp="0"), id="of 1970"),
        pytest.param(*delivery_of(event(), timestamp="timestamp"), id="no time"),
        pytest.param(*delivery_of(event(), timestamp="9" * 400), id="a time without end"),
        pytest.param(*delivery_of(event(token="another")), id="another token"),
        pytest.param(*delivery_of(event(token="tökén\ud83d")), id="a strange token"),
        pytest.param(*delivery_of(event(token=None)), id="no token"),
        pytest.param(*delivery_of(event(app_id="cli_other")), id="another app"),
        pytest.param(*delivery_of(event(event_id="")), id="no event_id"),
        pytest.param(*delivery_of(event() | {"schema": "1.0"}), id="another schema"),
        pytest.param(*delivery_of(event() | {"event": None}), id="no event"),
        pytest.param(*delivery_of({"uuid": "1", "token": KEYS.verification_token, "event": {}}), id="form 1.0"),
        pytest.param(*delivery_of(b"\xff" * 40), id="no UTF-8"),
        pytest.param(*delivery_of(b"[" * 100_000), id="many brackets, signed"),
        pytest.param(*delivery_of([event()]), id="a list"),
    ],
)
def test_whatever_is_not_authentic_gets_the_same_answer(
    webhook: Webhook, refusal: tuple[object, ...], headers: dict[str, str], body: bytes
) -> None:
    kept = len(webhook.kept.payloads)

    response = webhook.post(headers, body)

    assert seen(response) == refusal
    assert response.status_code == 401
    assert response.json()["error"]["code"] == "unauthorized"
    assert "www-authenticate" not in response.headers
    assert len(webhook.kept.payloads) == kept
    assert webhook.outcomes[-1] == "not_authentic"


def test_the_log_says_why_and_nothing_of_what_was_sent(webhook: Webhook, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        webhook.deliver(event(token="another-token-of-mine"))
        webhook.deliver(event(event_id="the-event-id"))

    assert "LARKWISE_FEISHU_VERIFICATION_TOKEN" in caplog.text
    for secret in (KEYS.verification_token, KEYS.encrypt_key, "another-token-of-mine", "om_1"):
        assert secret not in caplog.text


def test_a_signed_body_in_plain_text_is_refused(webhook: Webhook, refusal: tuple[object, ...]) -> None:
    body = json.dumps(event()).encode()

    assert seen(webhook.post(signed(body), body)) == refusal


@pytest.mark.parametrize("lacking", [Keys("cli_a1", "", "token"), Keys("cli_a1", "key", ""), Keys("cli_a1", "", "")])
def test_without_keys_nothing_is_authentic(lacking: Keys) -> None:
    payload = event(app_id="cli_a1", token=lacking.verification_token)
    plain = json.dumps(payload).encode()

    for headers, body in ((signed(plain, key=""), plain), delivery_of(payload, key=lacking.encrypt_key)):
        with pytest.raises(NotAuthentic, match="nothing can be proven"):
            open_delivery(headers, body, lacking, now_s=time.time())


def test_keys_are_not_shown() -> None:
    assert KEYS.encrypt_key not in repr(KEYS)
    assert KEYS.verification_token not in repr(KEYS)


def _raw(webhook: Webhook, request: bytes) -> bytes:
    """What is answered until the connection is closed."""
    host, port = webhook.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(request)
        return b"".join(iter(lambda: connection.recv(65536), b""))
