"""What all calls of the open platform have in common: the token, their pace, several tries, and errors of ours."""

from __future__ import annotations

import asyncio
import logging
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from copy import copy
from dataclasses import dataclass, field
from functools import cache, partial
from typing import TypeVar

import httpx

from app.feishu import pacing
from app.feishu.codes import Remedy
from app.feishu.credentials import Credentials
from app.feishu.downloads import received
from app.feishu.errors import CallFailed, Misconfigured, PlatformUnavailable
from app.feishu.failures import Failed, refused, unanswered
from app.feishu.pacing import Pacing, Place
from app.feishu.patience import USUAL, Patience
from app.feishu.tokens import Token, Tokens
from app.feishu.wire import Answer, Json, Resource, answer_of

logger = logging.getLogger(__name__)
T = TypeVar("T")
_TOKEN_PATH = "/open-apis/auth/v3/tenant_access_token/internal"  # noqa: S105 - a path
_JSON = {"Content-Type": "application/json; charset=utf-8"}
_CONNECTIONS = 50
_IDLE_S = 30.0
"""A conversation has pauses; connecting again takes longer than most calls."""


@dataclass(frozen=True, slots=True)
class Call:
    """
    What is asked; `places` are the chat or card that it writes to.

    `done_codes` say of a second try that the first one, of which no answer came, was done.
    """

    method: str
    path: str
    params: Mapping[str, str | int] = field(default_factory=dict)
    body: Json | None = None
    places: tuple[Place, ...] = ()
    done_codes: frozenset[int] = frozenset()
    needs_token: bool = True

    @property
    def api(self) -> Place:
        return pacing.api(self.method, self.path)


class Transport:
    """Does calls; one for an app, on one event loop."""

    def __init__(
        self,
        http: httpx.AsyncClient,
        credentials: Credentials,
        *,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
        patience: Patience,
    ) -> None:
        self.credentials = credentials
        self._http = http
        self._pacing = Pacing(clock=clock, sleep=sleep)
        self._sleep = sleep
        self._patience = patience
        self._tokens = Tokens(self._fetch_token, clock=clock)

    async def call(self, call: Call) -> Answer:
        """
        Raises:
            CallFailed: it was not done, or whether it was is not known; the kind of error says what to do.
        """
        return await self._tried(call, partial(self._once, call), done=Answer(code=0))

    async def download(self, call: Call, *, max_bytes: int) -> Resource:
        """
        Raises:
            ResourceTooLarge: it has more bytes; what is beyond was not read.
            CallFailed: it cannot be got.
        """
        return await self._tried(call, partial(self._download_once, call, max_bytes))

    async def close(self) -> None:
        await self._tokens.close()

    async def _tried(
        self, call: Call, once: Callable[[Mapping[str, str]], Awaitable[T]], *, done: T | None = None
    ) -> T:
        """
        Several times if need be; `done` is what comes of it if it was done without our learning it.

        Raises:
            CallFailed: what the last try came to.
        """
        number, is_unsure, has_new_token = 1, False, False
        while True:
            try:
                token = await self._tokens.get() if call.needs_token else ""
            except CallFailed as error:
                raise _about_this_call(error, is_unsure=is_unsure) from error
            await self._pacing.turn([*call.places, call.api])
            try:
                return await once({"Authorization": f"Bearer {token}"} if token else {})
            except Failed as failed:
                if is_unsure and done is not None and failed.error.code in call.done_codes:
                    return done
                is_unsure = is_unsure or failed.is_unsure
                if failed.remedy is Remedy.NEW_TOKEN and not has_new_token:
                    self._tokens.drop(token)
                    has_new_token = True
                    continue
                wait_s = self._patience.wait_s(number, reset_s=failed.reset_s)
                if wait_s is None or failed.remedy in (Remedy.NONE, Remedy.NEW_TOKEN):
                    raise _about_this_call(failed.error, is_unsure=is_unsure) from failed
                logger.info("try %d, again in %.1f s: %s", number, wait_s, failed)
                await self._waited(call, failed.remedy, wait_s)
            number += 1

    async def _waited(self, call: Call, remedy: Remedy, wait_s: float) -> None:
        if remedy is Remedy.REPEAT:
            await self._sleep(wait_s)
        elif remedy is Remedy.SLOW_DOWN_HERE and call.places:
            self._pacing.hold(call.places[0], wait_s)
        else:
            self._pacing.hold(call.api, wait_s)

    async def _once(self, call: Call, headers: Mapping[str, str]) -> Answer:
        request = self._request(call, headers)
        try:
            async with asyncio.timeout(self._patience.answer_s):
                response = await self._http.send(request)
        except (httpx.RequestError, TimeoutError) as error:
            raise unanswered(call.api.key, request, error) from error
        return _success(call.api.key, response, response.content)

    async def _download_once(self, call: Call, max_bytes: int, headers: Mapping[str, str]) -> Resource:
        request = self._request(call, {**headers, "Accept-Encoding": "identity"})
        try:
            async with (
                asyncio.timeout(self._patience.download_s),
                aclosing(await self._http.send(request, stream=True)) as response,
            ):
                return await received(call.api.key, response, max_bytes)
        except (httpx.RequestError, TimeoutError) as error:
            raise unanswered(call.api.key, request, error) from error

    def _request(self, call: Call, headers: Mapping[str, str]) -> httpx.Request:
        # Feishu tells a download's name only where the request has a content type
        return self._http.build_request(
            call.method, call.path, params=dict(call.params) or None, json=call.body, headers={**_JSON, **headers}
        )

    async def _fetch_token(self) -> Token:
        body = {"app_id": self.credentials.app_id, "app_secret": self.credentials.app_secret}
        call = Call("POST", _TOKEN_PATH, body=body, needs_token=False)
        try:
            answer = await self._tried(call, partial(self._once, call))
        except CallFailed as error:
            if type(error) is not CallFailed:
                raise
            raise _explained(error) from error
        told = answer.model_extra or {}
        token, life_s = told.get("tenant_access_token"), told.get("expire")
        if not isinstance(token, str) or not token.isascii() or not isinstance(life_s, int):
            raise PlatformUnavailable("Feishu gives no token, though it says that it does; try again later")
        return Token(token, float(life_s))


def _address(domain: str) -> httpx.URL:
    try:
        url = httpx.URL(domain)
        is_one = bool(url.host) and (url.port or 0) <= 65535
    except (httpx.InvalidURL, ValueError) as error:  # ValueError: a host in other letters, wrongly encoded
        raise Misconfigured(f"LARKWISE_FEISHU_DOMAIN is no address: {error}") from error
    if not is_one:
        raise Misconfigured(f"LARKWISE_FEISHU_DOMAIN is no address: {domain}")
    return url


@cache
def _certificates() -> ssl.SSLContext:
    """Read once: it takes longer than many calls."""
    return httpx.create_ssl_context()


@asynccontextmanager
async def open_transport(
    credentials: Credentials,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    patience: Patience = USUAL,
) -> AsyncIterator[Transport]:
    """
    With connections that are kept open between calls.

    Raises:
        Misconfigured: the domain is none.
    """
    timeout = httpx.Timeout(patience.answer_s, connect=patience.connect_s)
    limits = httpx.Limits(max_connections=_CONNECTIONS, keepalive_expiry=_IDLE_S)
    base = _address(credentials.domain)
    async with httpx.AsyncClient(base_url=base, timeout=timeout, limits=limits, verify=_certificates()) as http:
        transport = Transport(http, credentials, clock=clock, sleep=sleep, patience=patience)
        try:
            yield transport
        finally:
            await transport.close()


def _success(api: str, response: httpx.Response, body: bytes) -> Answer:
    """
    Raises:
        Failed: it says something else.
    """
    answer = answer_of(body)
    if answer is None or answer.code != 0 or not response.is_success:
        raise refused(api, response, answer)
    return answer


def _about_this_call(error: CallFailed, *, is_unsure: bool) -> CallFailed:
    """The same error; others who wait for the same token get it too, and nothing of theirs was done."""
    own = copy(error)
    own.is_unsure = is_unsure
    return own


def _explained(error: CallFailed) -> Misconfigured:
    """An error of no kind has a code that is not known: Feishu has more for wrong credentials than it documents."""
    advice = "Feishu gives no token: check LARKWISE_FEISHU_APP_ID and LARKWISE_FEISHU_APP_SECRET"
    return Misconfigured(f"{advice} ({error})", code=error.code, log_id=error.log_id)
