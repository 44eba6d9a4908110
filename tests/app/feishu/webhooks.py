"""A webhook on loopback, with nothing behind it but a list."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
from fastapi import FastAPI

from app import errors
from app.feishu.cipher import encrypt
from app.feishu.deliveries import Keys
from app.feishu.errors import InboxUnavailable
from app.feishu.receiving import Allowance, FeishuDoor
from app.feishu.signature import signature
from app.routes import feishu
from tests.app.servers import running

KEYS = Keys(app_id="cli_a1b2c3", encrypt_key="the encrypt key", verification_token="the-token")
ENDLESS = 10**9


@dataclass
class Kept:
    """A receiver that keeps events in memory, and answers with `answer`."""

    payloads: list[dict[str, Any]] = field(default_factory=list)
    answer: dict[str, Any] = field(default_factory=dict)
    is_unavailable: bool = False

    async def receive(self, payload: dict[str, Any]) -> dict[str, Any]:
        if self.is_unavailable:
            raise InboxUnavailable("the database is away")
        self.payloads.append(payload)
        return self.answer


@dataclass
class Webhook:
    """A running one, and what it does."""

    url: str
    client: httpx.Client
    kept: Kept
    outcomes: list[str]

    def post(self, headers: Mapping[str, str], body: bytes, *, path: str = "/feishu/webhook") -> httpx.Response:
        return self.client.post(path, headers=headers, content=body)

    def deliver(self, payload: object, *, path: str = "/feishu/webhook") -> httpx.Response:
        """Signed and encrypted as it should be."""
        return self.post(*delivery_of(payload), path=path)


@contextmanager
def running_webhook(*, challenges: Allowance | None = None) -> Iterator[Webhook]:
    """Without `challenges`, as many may be tried as one likes."""
    kept, outcomes = Kept(), list[str]()
    allowance = challenges or Allowance(at_once=ENDLESS, per_s=0)
    door = FeishuDoor(keys=KEYS, receiver=kept, counted=outcomes.append, challenges=allowance)
    app = app_with(door)
    with running(app) as url, httpx.Client(base_url=url, trust_env=False) as client:
        yield Webhook(url, client, kept, outcomes)


def app_with(door: FeishuDoor | None) -> FastAPI:
    app = FastAPI()
    app.state.feishu = door
    errors.install(app)
    app.include_router(feishu.router)
    return app


def event(**header: Any) -> dict[str, Any]:
    """A message to the bot; what is given stands in the header."""
    given = {
        "event_id": secrets.token_hex(16),
        "event_type": "im.message.receive_v1",
        "create_time": "1608725989000",
        "token": KEYS.verification_token,
        "app_id": KEYS.app_id,
        "tenant_key": "2ca1",
    }
    message = {"message_id": "om_1", "chat_id": "oc_1", "chat_type": "p2p", "message_type": "text", "content": "{}"}
    body = {"sender": {"sender_id": {"open_id": "ou_1"}, "sender_type": "user"}, "message": message}
    return {"schema": "2.0", "header": given | header, "event": body}


def challenge(text: str, *, token: str = KEYS.verification_token) -> dict[str, str]:
    return {"challenge": text, "token": token, "type": "url_verification"}


def sealed(plain: object, *, key: str = KEYS.encrypt_key) -> bytes:
    """The body of an encrypted request; bytes are taken as they are."""
    data = plain if isinstance(plain, bytes) else json.dumps(plain).encode()
    return json.dumps({"encrypt": encrypt(data, key, secrets.token_bytes(16))}).encode()


def signed(body: bytes, *, timestamp: str | None = None, key: str = KEYS.encrypt_key) -> dict[str, str]:
    """The headers of a signed request."""
    stamp, nonce = timestamp or str(int(time.time())), secrets.token_hex(8)
    return {
        "X-Lark-Request-Timestamp": stamp,
        "X-Lark-Request-Nonce": nonce,
        "X-Lark-Signature": signature(stamp, nonce, key, body),
    }


def delivery_of(plain: object, *, timestamp: str | None = None, key: str = KEYS.encrypt_key) -> Any:
    """Headers and body."""
    body = sealed(plain, key=key)
    return signed(body, timestamp=timestamp, key=key), body


def seen(response: httpx.Response) -> tuple[object, ...]:
    """All that whoever asks can see, but for the date."""
    headers = tuple(sorted((name, value) for name, value in response.headers.items() if name != "date"))
    return response.status_code, headers, response.content
