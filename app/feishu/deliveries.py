"""
Is a request to the webhook really from Feishu, and what does it bring?

In this order, so that nobody without the Encrypt Key gets any further than the first step:

1. the signature over the body as it came, and its age;
2. the decryption: what is not encrypted is refused, signed or not;
3. the Verification Token;
4. the app that it is meant for.

Unsigned is only the challenge that Feishu sends when the webhook's address is saved. A body without a good signature is
therefore looked into for a challenge with the right token, and for nothing else. AES-CBC would let whoever learns
whether a padding was right read a recorded delivery, byte by byte; that is why all failures are one exception, which
callers turn into one answer. It would also let them put blocks of a recorded delivery into a recorded challenge, which
is answered with what it says, at the price of one block of chance: that is why such a challenge may hold nothing but
printable ASCII (one block of chance in some millions does), and why these attempts are rationed.

The old card callback (no `schema`, signed with SHA-1) and events in the form 1.0 are refused like everything else: in
the developer console an app is made to send `card.action.trigger`, and events in the form 2.0.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from app.feishu.cipher import decrypt
from app.feishu.errors import NotAuthentic
from app.feishu.signature import is_signed

OLDEST_S = 24 * 3600
"""Feishu tries again for 7 hours, and does not say whether it signs anew; a replay is known by its event_id."""
NEWEST_S = 600
_LONGEST_CHALLENGE = 256


@dataclass(frozen=True, slots=True)
class Keys:
    """What proves that an event is Feishu's, and for us; all of them are of the same app."""

    app_id: str
    encrypt_key: str = field(repr=False)
    verification_token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Challenge:
    """Feishu wants to see this again, to know that the address is ours."""

    challenge: str


@dataclass(frozen=True, slots=True)
class Delivery:
    """An event or a click, in the form 2.0: `header`, with an `event_id`, and `event`."""

    payload: dict[str, Any]


def open_delivery(
    headers: Mapping[str, str],
    body: bytes,
    keys: Keys,
    *,
    now_s: float,
    may_look: Callable[[], bool] = lambda: True,
) -> Challenge | Delivery:
    """
    What Feishu has sent; `now_s` is the time of day.

    `may_look` is asked before an unsigned body is decrypted.

    Raises:
        NotAuthentic: it is not provably from Feishu, or not in a form that we know; the message is for the log alone.
    """
    if not (keys.encrypt_key and keys.verification_token):
        raise NotAuthentic("without an Encrypt Key and a Verification Token nothing can be proven")
    if not _has_signature(headers, body, keys, now_s):
        return _unsigned_challenge(body, keys, may_look)
    opened = parsed(decrypt(_encrypted(body), keys.encrypt_key))
    if opened.get("type") == "url_verification":
        return _challenge(opened, keys)
    return Delivery(checked(opened, app_id=keys.app_id, verification_token=keys.verification_token))


def parsed(data: bytes) -> dict[str, Any]:
    """
    A JSON object.

    Raises:
        NotAuthentic: it is none.
    """
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:  # brackets can be nested deeper than Python likes
        raise NotAuthentic("it is not JSON") from error
    if not isinstance(value, dict):
        raise NotAuthentic("it is no JSON object")
    return value


def checked(payload: dict[str, Any], *, app_id: str, verification_token: str = "") -> dict[str, Any]:
    """
    The same, if it is an event for us; without a `verification_token` only the app is compared.

    Raises:
        NotAuthentic: it has another token, is for another app, or is no event in the form 2.0.
    """
    header = payload.get("header")
    if payload.get("schema") != "2.0" or not isinstance(header, dict):
        raise NotAuthentic("it is no event in the form 2.0: choose that version of it in the developer console")
    if verification_token and not _same(header.get("token"), verification_token):
        raise NotAuthentic("the Verification Token is another one than LARKWISE_FEISHU_VERIFICATION_TOKEN")
    if not _same(header.get("app_id"), app_id):
        raise NotAuthentic("it is for another app than LARKWISE_FEISHU_APP_ID")
    if not isinstance(payload.get("event"), dict):
        raise NotAuthentic("it has no event")
    if not (isinstance(header.get("event_id"), str) and header["event_id"]):
        raise NotAuthentic("it has no event_id, so it could not be known again")
    return payload


def _has_signature(headers: Mapping[str, str], body: bytes, keys: Keys, now_s: float) -> bool:
    """
    Raises:
        NotAuthentic: it has, but of another time.
    """
    given = {name.lower(): value for name, value in headers.items()}
    timestamp = given.get("x-lark-request-timestamp", "")
    nonce = given.get("x-lark-request-nonce", "")
    if not is_signed(given.get("x-lark-signature", ""), timestamp, nonce, keys.encrypt_key, body):
        return False
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12):
        raise NotAuthentic("the signature's timestamp is no number of seconds")
    if not -NEWEST_S <= now_s - int(timestamp) <= OLDEST_S:
        raise NotAuthentic("the signature is of another time: either it is replayed, or this machine's clock is wrong")
    return True


def _unsigned_challenge(body: bytes, keys: Keys, may_look: Callable[[], bool]) -> Challenge:
    encrypted = _encrypted(body)
    if not may_look():
        raise NotAuthentic("it has no good signature, and too many such requests came before")
    try:
        found = _challenge(parsed(decrypt(encrypted, keys.encrypt_key)), keys)
    except NotAuthentic as error:
        raise NotAuthentic(f"it has no good signature, and is no challenge either: {error}") from error
    if not _is_plain(found.challenge):
        raise NotAuthentic("it has no good signature, and is a challenge of a kind that Feishu does not send")
    return found


def _is_plain(challenge: str) -> bool:
    return challenge.isascii() and challenge.isprintable() and len(challenge) <= _LONGEST_CHALLENGE


def _challenge(opened: Mapping[str, Any], keys: Keys) -> Challenge:
    challenge = opened.get("challenge")
    if opened.get("type") != "url_verification" or not isinstance(challenge, str):
        raise NotAuthentic("it is no challenge")
    if not _same(opened.get("token"), keys.verification_token):
        raise NotAuthentic("the Verification Token is another one than LARKWISE_FEISHU_VERIFICATION_TOKEN")
    return Challenge(challenge)


def _encrypted(body: bytes) -> str:
    encrypted = parsed(body).get("encrypt")
    if not isinstance(encrypted, str):
        raise NotAuthentic("it is not encrypted: set the Encrypt Key in the developer console too")
    return encrypted


def _same(given: object, expected: str) -> bool:
    # JSON can hold halves of characters, which have no UTF-8
    return isinstance(given, str) and hmac.compare_digest(
        given.encode(errors="surrogatepass"), expected.encode(errors="surrogatepass")
    )
