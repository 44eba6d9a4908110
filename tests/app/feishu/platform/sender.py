"""Feishu's side of the webhook: signed, encrypted, and sent again when it is not answered."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.app.feishu.platform.api_other import show
from tests.app.feishu.platform.calls import Json, Refused
from tests.app.feishu.platform.state import State
from tests.app.feishu.platform.wire import sealed, signed_headers

SCHEDULE_S = (15.0, 300.0, 3600.0, 21600.0)
"""After so many seconds an event that was not taken is sent again, then given up."""
ANSWER_S = 3.0
CHALLENGE_S = 1.0


@dataclass(frozen=True, slots=True)
class Delivery:
    """How it ended: `status` 0 means that no answer came in time."""

    status: int
    body: bytes
    attempts: int
    statuses: tuple[int, ...] = ()

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def taken(self) -> bool:
        return self.status == 200


@dataclass(slots=True)
class Sender:
    """
    Delivers to one address.

    `scale` makes the waits between the tries shorter: 0.001 makes 15 ms of 15 s. `resign` says whether a later try is
    signed again with the time that it then is; which of the two Feishu does is not known.
    """

    state: State
    url: str
    schedule: tuple[float, ...] = SCHEDULE_S
    scale: float = 0.001
    resign: bool = True
    answer_s: float = ANSWER_S
    challenge_s: float = CHALLENGE_S
    encrypt_key: str | None = None
    """Another one than the platform's, to be wrong on purpose; empty sends plain text."""
    headers: dict[str, str] = field(default_factory=dict)
    """Beside those of every delivery."""

    def body_of(
        self, event: Mapping[str, Any], *, timestamp: str | None = None, nonce: str | None = None
    ) -> tuple[dict[str, str], bytes]:
        """Headers and body, for a request of one's own."""
        key = self.state.encrypt_key if self.encrypt_key is None else self.encrypt_key
        body = sealed(event, key)
        stamp = timestamp if timestamp is not None else str(int(self.state.clock.now()))
        signed = signed_headers(body, key, timestamp=stamp, nonce=nonce if nonce is not None else secrets.token_hex(8))
        return {**signed, "X-Request-Id": secrets.token_hex(16), **self.headers}, body

    async def deliver(self, event: Mapping[str, Any]) -> Delivery:
        """Until it is taken, or the schedule is through; a click is tried once, and what it answers is shown."""
        is_click = event.get("header", {}).get("event_type") == "card.action.trigger"
        waits = [0.0] if is_click else [0.0, *self.schedule]
        statuses: list[int] = []
        headers, body = self.body_of(event)
        async with httpx.AsyncClient(timeout=self.answer_s, trust_env=False) as client:
            for wait_s in waits:
                await asyncio.sleep(wait_s * self.scale)
                if statuses and self.resign:
                    headers, body = self.body_of(event)
                status, answer = await self._post(client, headers, body, self.answer_s)
                statuses.append(status)
                if status == 200:
                    break
        if is_click and status == 200:
            self._show(event, answer)
        return Delivery(status, answer, len(statuses), tuple(statuses))

    def deliver_now(self, event: Mapping[str, Any]) -> Delivery:
        """The same, for a test that is not asynchronous."""
        return asyncio.run(self.deliver(event))

    async def challenge(self) -> Delivery:
        """What is sent when the address is entered in the developer console; encrypted, and not signed."""
        value = secrets.token_hex(16)
        asked = {"challenge": value, "token": self.state.verification_token, "type": "url_verification"}
        key = self.state.encrypt_key if self.encrypt_key is None else self.encrypt_key
        headers = {"Content-Type": "application/json; charset=utf-8", **self.headers}
        async with httpx.AsyncClient(timeout=self.challenge_s, trust_env=False) as client:
            status, answer = await self._post(client, headers, sealed(asked, key), self.challenge_s)
        is_right = status == 200 and _challenge_in(answer) == value
        return Delivery(status if is_right or status != 200 else 0, answer, 1, (status,))

    async def _post(
        self, client: httpx.AsyncClient, headers: Mapping[str, str], body: bytes, patience_s: float
    ) -> tuple[int, bytes]:
        try:
            async with asyncio.timeout(patience_s):
                response = await client.post(self.url, headers=headers, content=body)
        except (TimeoutError, httpx.TransportError):
            return 0, b""
        return response.status_code, response.content

    def _show(self, event: Mapping[str, Any], answer: bytes) -> None:
        """A card in the answer to a click takes the old one's place, unless that is streaming."""
        try:
            card: Json = json.loads(answer or b"{}").get("card") or {}
        except (ValueError, AttributeError):
            return
        with self.state.lock:
            message = self.state.messages.find(event["event"]["context"]["open_message_id"])
            if message is None or card.get("type") != "raw":
                return
            if message.card_id and self.state.cards.get(message.card_id).streaming:
                return
            try:
                show(self.state, message, card["data"])
            except Refused:
                return  # people see an error, and the old card


def _challenge_in(answer: bytes) -> object:
    try:
        found = json.loads(answer)
    except ValueError:
        return None
    return found.get("challenge") if isinstance(found, dict) else None
