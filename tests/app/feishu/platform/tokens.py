"""Tenant access tokens: they expire, overlap and can be revoked."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from tests.app.feishu.platform.calls import Refused
from tests.app.feishu.platform.clock import Clock

OVERLAP_S = 30 * 60.0
"""With less than this left a new token is issued, and both are good."""


@dataclass(frozen=True, slots=True)
class App:
    app_id: str
    app_secret: str


class Tokens:
    def __init__(self, app: App, clock: Clock) -> None:
        self.life_s = 7200.0
        self._app = app
        self._clock = clock
        self._until: dict[str, float] = {}
        self._newest = ""

    def issue(self, app_id: object, app_secret: object) -> tuple[str, int]:
        """The token and the seconds that are left of it."""
        if app_id != self._app.app_id:
            raise Refused(10003, "invalid param", http=200)
        if app_secret != self._app.app_secret:
            raise Refused(10014, "app secret invalid", http=200)
        left = self._until.get(self._newest, 0.0) - self._clock.now()
        if left < min(OVERLAP_S, self.life_s):
            self._newest, left = f"t-g104{secrets.token_hex(16)}", self.life_s
            self._until[self._newest] = self._clock.now() + left
        return self._newest, int(left)

    def revoke(self) -> None:
        self._until.clear()

    def check(self, authorization: str) -> None:
        """
        Raises:
            Refused: there is no token, it is none, or it is not good (any more).
        """
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise Refused(
                99991661, "Missing access token for authorization. Please make a request with token attached."
            )
        if not token.startswith("t-"):
            raise Refused(99991671, "Invalid access token for authorization. It must start with 't-' or 'u-'.")
        if self._until.get(token, 0.0) <= self._clock.now():
            raise Refused(
                99991663, "Invalid access token for authorization. Please make a request with token attached."
            )
