"""What Feishu sends to the webhook: messages of many people, signed, encrypted, and some of them twice."""

from __future__ import annotations

import json
import random
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.feishu.cipher import BLOCK_BYTES, encrypt
from app.feishu.deliveries import Keys
from app.feishu.signature import signature
from bench.feishu_sender import Request

KEYS = Keys("cli_bench", encrypt_key="bench-encrypt-key", verification_token="bench-verification-token")
_RECENT = 200
"""An event that comes twice is one of the last so many."""


@dataclass(frozen=True, slots=True)
class Flood:
    """
    `rate` events a second, at random times as independent people make them.

    `again` is the share of those that are an earlier event once more; the others are stickers that people in `chats`
    private chats send, and each of them is a message that the bot replies to.
    """

    rate: float
    seconds: float
    again: float = 0.1
    chats: int = 1000
    seed: int = 1


def flood(wanted: Flood, keys: Keys = KEYS) -> list[Request]:
    """Ready to be sent, in the order in which they are due."""
    chance = random.Random(wanted.seed)
    count = max(1, round(wanted.rate * wanted.seconds))
    times = sorted(chance.uniform(0, wanted.seconds) for _ in range(count))
    events: list[dict[str, Any]] = []
    requests = []
    for at_s in times:
        if events and chance.random() < wanted.again:
            event = chance.choice(events[-_RECENT:])
        else:
            event = message(chance.randrange(wanted.chats), "sticker", {"file_key": "file_v3_bench"}, keys=keys)
            events.append(event)
        requests.append(Request(event_id_of(event), at_s, *sealed(event, keys)))
    return requests


def message(person: int, kind: str, content: Mapping[str, str], *, keys: Keys = KEYS) -> dict[str, Any]:
    """An event that tells what somebody has written to the bot, in the form 2.0; no two are the same."""
    number, now_ms = secrets.token_hex(8), str(int(time.time() * 1000))
    header = {
        "event_id": f"event-{number}",
        "event_type": "im.message.receive_v1",
        "create_time": now_ms,
        "token": keys.verification_token,
        "app_id": keys.app_id,
        "tenant_key": "bench",
    }
    ids = {"open_id": f"ou_{person}", "union_id": f"on_{person}", "user_id": f"{person}"}
    said = {
        "message_id": f"om_{number}",
        "chat_id": f"oc_{person}",
        "chat_type": "p2p",
        "message_type": kind,
        "content": json.dumps(content, ensure_ascii=False),
        "create_time": now_ms,
    }
    return {
        "schema": "2.0",
        "header": header,
        "event": {"sender": {"sender_id": ids, "sender_type": "user", "tenant_key": "bench"}, "message": said},
    }


def event_id_of(event: Mapping[str, Any]) -> str:
    return str(event["header"]["event_id"])


def message_id_of(event: Mapping[str, Any]) -> str:
    return str(event["event"]["message"]["message_id"])


def sealed(event: Mapping[str, Any], keys: Keys = KEYS) -> tuple[dict[str, str], bytes]:
    """Headers and body of a request that brings it."""
    plain = json.dumps(event).encode()
    body = json.dumps({"encrypt": encrypt(plain, keys.encrypt_key, secrets.token_bytes(BLOCK_BYTES))}).encode()
    stamp, nonce = str(int(time.time())), secrets.token_hex(8)
    headers = {
        "Content-Type": "application/json; charset=utf-8",
        "X-Lark-Request-Timestamp": stamp,
        "X-Lark-Request-Nonce": nonce,
        "X-Lark-Signature": signature(stamp, nonce, keys.encrypt_key, body),
    }
    return headers, body
