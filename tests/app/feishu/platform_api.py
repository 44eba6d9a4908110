"""Calls of the fake platform, as a test makes them itself."""

from __future__ import annotations

import json
from typing import Any

import httpx

from tests.app.feishu.platform import Platform, SentMessage

STREAMING_CARD: dict[str, Any] = {
    "schema": "2.0",
    "config": {"streaming_mode": True, "update_multi": True},
    "body": {"elements": [{"tag": "markdown", "element_id": "answer", "content": "…"}]},
}


class Api:
    """Calls with a token, and what they give: (code, data)."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        self.http = httpx.Client(base_url=f"{platform.url}/open-apis", trust_env=False)
        self.renew()

    def renew(self) -> None:
        self.http.headers["Authorization"] = f"Bearer {self.new_token()}"

    def new_token(self, secret: str | None = None) -> str:
        body = {"app_id": self.platform.app_id, "app_secret": secret or self.platform.app_secret}
        answer = self.http.post("/auth/v3/tenant_access_token/internal", json=body).json()
        return str(answer.get("tenant_access_token", answer["code"]))

    def __call__(self, method: str, path: str, body: Any = None, **params: Any) -> tuple[int, Any]:
        answer = self.http.request(method, path, json=body, params=params).json()
        return answer["code"], answer.get("data")

    def reply(self, message: SentMessage, text: str, **more: Any) -> tuple[int, Any]:
        body = {"msg_type": "text", "content": json.dumps({"text": text}), **more}
        return self("POST", f"/im/v1/messages/{message.message_id}/reply", body)

    def new_card(self, card: dict[str, Any] = STREAMING_CARD) -> tuple[int, Any]:
        code, data = self("POST", "/cardkit/v1/cards", {"type": "card_json", "data": json.dumps(card)})
        return code, (data or {}).get("card_id")

    def stream(self, card_id: str, text: str, sequence: int, **more: Any) -> int:
        body = {"content": text, "sequence": sequence, **more}
        return self("PUT", f"/cardkit/v1/cards/{card_id}/elements/answer/content", body)[0]
