"""Where the long connection goes: Feishu says it anew for each one."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from http import HTTPStatus
from urllib.parse import parse_qs, urlsplit

import httpx
from pydantic import BaseModel, Field, ValidationError

from app.feishu.credentials import Credentials
from app.feishu.errors import Misconfigured, PlatformUnavailable

PATH = "/callback/ws/endpoint"
_LATER = {1, 1000040343}
"""Feishu is busy, or has an error of its own."""
_ADVICE = {
    1000040344: "set LARKWISE_FEISHU_APP_ID and LARKWISE_FEISHU_APP_SECRET",
    1000040350: "the app has as many connections as it may: stop other processes that are connected as this app",
    1000040351: "set LARKWISE_FEISHU_DOMAIN to feishu or lark, whichever the app was made at",
}
_OTHER_ADVICE = (
    "compare LARKWISE_FEISHU_APP_ID and LARKWISE_FEISHU_APP_SECRET with Credentials in the developer console, "
    "LARKWISE_FEISHU_DOMAIN with where the app was made; and let it get its events there over a persistent connection"
)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where to connect to; the address lets whoever knows it in, and is not for the log."""

    url: str = field(repr=False)
    service: int
    ping_s: float | None
    """How often Feishu wants to be pinged, if it says so."""


async def find_endpoint(credentials: Credentials, *, timeout_s: float, user_agent: str) -> Endpoint:
    """
    Ask Feishu for an address.

    Raises:
        Misconfigured: it does not want this app; the message says what to do.
        PlatformUnavailable: it does not answer in time, or not sensibly.
    """
    try:
        async with asyncio.timeout(timeout_s), httpx.AsyncClient(timeout=timeout_s) as http:
            response = await http.post(
                credentials.domain + PATH,
                json={"AppID": credentials.app_id, "AppSecret": credentials.app_secret},
                headers={"locale": "zh", "User-Agent": user_agent},
            )
    except TimeoutError as error:
        raise PlatformUnavailable(f"{credentials.domain} does not answer within {timeout_s:g} s") from error
    except httpx.HTTPError as error:
        raise PlatformUnavailable(f"{credentials.domain} cannot be asked: {type(error).__name__}") from error
    return _endpoint(response)


def refused(code: int, message: str) -> Misconfigured:
    """Feishu does not want a connection of this app; `code` and `message` are its own."""
    advice = _ADVICE.get(code, _OTHER_ADVICE)
    return Misconfigured(f"Feishu refuses the long connection ({code}: {message}): {advice}", code=code)


class _Config(BaseModel):
    ping_s: float | None = Field(None, validation_alias="PingInterval")


class _Data(BaseModel):
    url: str = Field(validation_alias="URL")
    config: _Config | None = Field(None, validation_alias="ClientConfig")


class _Answer(BaseModel):
    code: int
    msg: str = ""
    data: _Data | None = None


def _endpoint(response: httpx.Response) -> Endpoint:
    log_id = response.headers.get("x-tt-logid", "")
    try:
        answer = _Answer.model_validate_json(response.content)
    except ValidationError as error:
        problem = f"the answer to {PATH} is none of Feishu's (HTTP {response.status_code})"
        raise PlatformUnavailable(problem, log_id=log_id) from error
    status = response.status_code
    if answer.code in _LATER or status == HTTPStatus.TOO_MANY_REQUESTS or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise PlatformUnavailable(f"Feishu is busy ({answer.code}: {answer.msg})", code=answer.code, log_id=log_id)
    if answer.code:
        raise refused(answer.code, answer.msg)
    data = answer.data or _Data(URL="")
    try:
        service = int(parse_qs(urlsplit(data.url).query)["service_id"][0])
    except (KeyError, ValueError) as error:
        raise PlatformUnavailable("Feishu names no address for the long connection", log_id=log_id) from error
    return Endpoint(data.url, service, (data.config or _Config()).ping_s)
