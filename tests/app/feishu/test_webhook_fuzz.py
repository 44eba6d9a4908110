"""Whatever anybody sends to the webhook: it is taken for what it is, or refused in one way, and never an error."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.app.feishu.webhooks import (
    KEYS,
    Webhook,
    challenge,
    delivery_of,
    event,
    running_webhook,
    sealed,
    seen,
    signed,
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda one: st.lists(one, max_size=4) | st.dictionaries(st.text(max_size=12), one, max_size=4),
    max_leaves=20,
)
HEADER = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=80)
NEAR_EVENT = st.fixed_dictionaries(
    {"schema": st.sampled_from(["2.0", "1.0", 2, None]), "event": JSON | st.just({})},
    optional={
        "type": st.sampled_from(["url_verification", "event_callback"]),
        "challenge": JSON,
        "token": st.just(KEYS.verification_token) | JSON,
        "header": JSON
        | st.fixed_dictionaries(
            {},
            optional={
                "event_id": st.just("") | JSON,
                "event_type": JSON,
                "token": st.just(KEYS.verification_token) | st.text(max_size=8),
                "app_id": st.just(KEYS.app_id) | st.text(max_size=8),
            },
        ),
    },
)
thorough = settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@pytest.fixture(scope="module")
def webhook() -> Iterator[Webhook]:
    """One for the whole file, and challenges without end: what is compared is the answers."""
    with running_webhook() as webhook:
        yield webhook


@pytest.fixture(scope="module")
def refusal(webhook: Webhook) -> tuple[object, ...]:
    """What everything that is not authentic is answered."""
    return seen(webhook.post({}, b"hello"))


@thorough
@given(body=st.binary(max_size=300), headers=st.tuples(HEADER, HEADER, HEADER))
def test_any_bytes_get_that_answer(
    webhook: Webhook, refusal: tuple[object, ...], body: bytes, headers: tuple[str, str, str]
) -> None:
    names = ("X-Lark-Request-Timestamp", "X-Lark-Request-Nonce", "X-Lark-Signature")

    assert seen(webhook.post(dict(zip(names, headers, strict=True)), body)) == refusal


@thorough
@given(value=JSON | JSON.map(lambda one: {"encrypt": one}), with_signature=st.booleans())
def test_any_plain_json_gets_that_answer(
    webhook: Webhook, refusal: tuple[object, ...], value: object, with_signature: bool
) -> None:
    body = json.dumps(value).encode()

    assert seen(webhook.post(signed(body) if with_signature else {}, body)) == refusal


@thorough
@given(value=JSON | NEAR_EVENT | st.binary(max_size=100), with_signature=st.booleans())
def test_any_encrypted_json_is_either_taken_for_what_it_is_or_gets_that_answer(
    webhook: Webhook, refusal: tuple[object, ...], value: Any, with_signature: bool
) -> None:
    body = sealed(value)

    response = webhook.post(signed(body) if with_signature else {}, body)

    if response.status_code == 200 and response.json() == {}:
        assert with_signature
        assert value["header"]["token"] == KEYS.verification_token
        assert value["header"]["app_id"] == KEYS.app_id
        assert webhook.kept.payloads[-1]["header"]["event_id"]
    elif response.status_code == 200:
        assert value["token"] == KEYS.verification_token
        assert response.json() == {"challenge": value["challenge"]}
    else:
        assert seen(response) == refusal


@thorough
@given(
    where=st.integers(min_value=0, max_value=10**6),
    bit=st.integers(0, 7),
    how=st.sampled_from(["flip the body", "flip the signature", "cut", "lengthen", "shift the nonce", "no signature"]),
)
def test_a_mutated_delivery_gets_that_answer(
    webhook: Webhook, refusal: tuple[object, ...], where: int, bit: int, how: str
) -> None:
    headers, body = delivery_of(event())
    match how:
        case "flip the body":
            body = _flipped(body, where, bit)
        case "flip the signature":
            name = "X-Lark-Signature"
            at = where % 64
            headers[name] = headers[name][:at] + "g" + headers[name][at + 1 :]
        case "cut":
            body = body[: where % len(body)]
        case "lengthen":
            body += b" " * (1 + where % 40)
        case "shift the nonce":  # the signature cannot see where the timestamp ends
            stamp, nonce = headers["X-Lark-Request-Timestamp"], headers["X-Lark-Request-Nonce"]
            at = 1 + where % len(nonce)
            headers |= {"X-Lark-Request-Timestamp": stamp + nonce[:at], "X-Lark-Request-Nonce": nonce[at:]}
        case _:
            del headers["X-Lark-Signature"]

    assert seen(webhook.post(headers, body)) == refusal


@thorough
@given(where=st.integers(min_value=0, max_value=10**6), bit=st.integers(0, 7))
def test_a_mutated_challenge_tells_nothing_but_itself(
    webhook: Webhook, refusal: tuple[object, ...], where: int, bit: int
) -> None:
    encrypted = base64.b64decode(json.loads(sealed(challenge("ajls384kdjx98XX")))["encrypt"])
    body = json.dumps({"encrypt": base64.b64encode(_flipped(encrypted, where, bit)).decode()}).encode()

    response = webhook.post({}, body)

    if response.status_code == 200:  # a bit of the first block's text
        assert len(response.json()["challenge"]) == len("ajls384kdjx98XX")
    else:
        assert seen(response) == refusal


def test_a_recorded_delivery_cannot_be_read_through_its_padding(webhook: Webhook, refusal: tuple[object, ...]) -> None:
    recorded = base64.b64decode(json.loads(sealed(event()))["encrypt"])
    before, block = bytearray(recorded[-32:-16]), recorded[-16:]
    answers = set()

    for guess in range(256):  # one of them makes a padding of one byte
        before[15] = guess
        forged = base64.b64encode(bytes(before) + block).decode()
        answers.add(seen(webhook.post({}, json.dumps({"encrypt": forged}).encode())))

    assert answers == {refusal}


def _flipped(data: bytes, where: int, bit: int) -> bytes:
    changed = bytearray(data)
    changed[where % len(data)] ^= 1 << bit
    return bytes(changed)
