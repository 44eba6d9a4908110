"""Who asks, and whether they may."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from app.conversations import ANONYMOUS
from app.errors import NotReady, problem_of
from app.keys import Unauthorized
from app.rates import Rates, TooManyRequests
from app.services import Services
from app.settings import Settings, is_address, is_loopback

_CALLER = "larkwise_caller"
_PUBLIC = re.compile(
    r"/|/health(/live|/ready)?"
    r"|/docs(/oauth2-redirect)?|/redoc|/openapi\.json|/static-offline-docs/.*"
    r"|/[a-z0-9_-]+(/c/[^/]+)?/playground/assets/.*"
    r"|/feishu/(webhook|card_callback|originals/[^/]+/[^/]+)"
)
"""
Paths that need no key: nothing of the documents, and nothing that costs the model's time; and Feishu's, where a
signature stands in its place.
"""


def caller_of(request: Request) -> str:
    """
    A name for whoever sent the request: conversations and feedback are kept under it.

    It is that of the API key, or where none is needed derived from the bearer token, if there is one; it never holds
    the token itself.
    """
    return _caller_in(request.scope)


class Doorkeeper:
    """ASGI middleware: everything but health and documentation needs a key where the settings want one; counts."""

    def __init__(self, app: ASGIApp, *, settings: Settings, services: Callable[[], Services], rates: Rates) -> None:
        self._app = app
        self._settings = settings
        self._services = services
        self._rates = rates

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not _PUBLIC.fullmatch(_path(scope)):
            try:
                await self._admit(scope)
            except (Unauthorized, TooManyRequests, NotReady) as error:
                await problem_of(error).response(scope)(scope, receive, send)
                return
        await self._app(scope, receive, send)

    async def _admit(self, scope: Scope) -> None:
        rate: str | None = self._settings.rate_limit
        if self._needs_key(scope):
            token = _token(scope)
            if not token:
                raise Unauthorized("an API key is needed: send the header `Authorization: Bearer lw_…`")
            key = await self._services().keys.find(token)
            scope[_CALLER], rate = key.caller, key.rate_limit or rate
        if rate:
            await self._rates.count(_caller_in(scope), rate)

    def _needs_key(self, scope: Scope) -> bool:
        if self._settings.needs_keys or self._settings.api_keys_required is False:
            return self._settings.needs_keys
        # a server that was given another address than our settings know of (uvicorn app.server:app --host …)
        host = str((scope.get("server") or ("",))[0])
        return is_address(host) and not is_loopback(host)


def _caller_in(scope: Scope) -> str:
    if _CALLER in scope:
        return str(scope[_CALLER])
    token = _token(scope)
    return "token-" + hashlib.sha256(token.encode()).hexdigest()[:32] if token else ANONYMOUS


def _token(scope: Scope) -> str:
    scheme, _, token = Headers(scope=scope).get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _path(scope: Scope) -> str:
    return str(scope["path"]).removeprefix(scope.get("root_path", "")) or "/"
