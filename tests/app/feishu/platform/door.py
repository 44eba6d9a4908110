"""The platform as an ASGI application."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.applications import Starlette
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Message, Receive, Scope, Send

from tests.app.feishu.platform.api_other import ws_endpoint
from tests.app.feishu.platform.calls import Asked, Call, Refused, Reply, Upload, json_reply, refused
from tests.app.feishu.platform.routes import APIS, Api
from tests.app.feishu.platform.state import State
from tests.app.feishu.platform.trouble import Trouble

WS_ENDPOINT = "/callback/ws/endpoint"


class Door:
    """Writes every call down, and lets trouble happen to it."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._inside = application(state)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        call = await _read(scope, receive, at=self._state.clock.now())
        with self._state.lock:
            self._state.calls.append(call)
        trouble = self._state.troubles.of(call)
        reply = await self._through(trouble, scope, call)
        if reply is None:
            await _drop(send)
            return
        call.status, call.code = reply.status, reply.code
        headers = {"X-Tt-Logid": secrets.token_hex(16).upper(), **reply.headers}
        await Response(reply.body, reply.status, headers)(scope, receive, send)

    async def _through(self, trouble: Trouble, scope: Scope, call: Call) -> Reply | None:
        """None where there is to be no answer."""
        if trouble.after:
            done = await self._do(scope, call)
            await asyncio.sleep(trouble.delay_s)
            return None if trouble.drops else trouble.answer or done
        await asyncio.sleep(trouble.delay_s)
        return None if trouble.drops else trouble.answer or await self._do(scope, call)

    async def _do(self, scope: Scope, call: Call) -> Reply:
        """Through Starlette's routes, with the body that was read already."""
        waiting: list[Message] = [{"type": "http.request", "body": call.raw, "more_body": False}]
        sent: list[Message] = []

        async def receive() -> Message:
            return waiting.pop() if waiting else {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            sent.append(message)

        await self._inside({**scope, "call": call}, receive, send)
        headers = {name.decode().title(): value.decode() for name, value in sent[0]["headers"]}
        body = b"".join(part.get("body", b"") for part in sent[1:])
        if sent[0]["status"] == 404 and not body.startswith(b"{"):
            return json_reply({"code": 99991404, "msg": f"no such API: {call.method} {call.path}"}, status=404)
        return Reply(sent[0]["status"], body, headers)


def application(state: State) -> Starlette:
    routes = [Route(f"/open-apis{api.path}", _endpoint(state, api), methods=[api.method]) for api in APIS]
    long_connection = Api("POST", WS_ENDPOINT, ws_endpoint, needs_token=False)
    return Starlette(routes=[*routes, Route(WS_ENDPOINT, _endpoint(state, long_connection), methods=["POST"])])


def _endpoint(state: State, api: Api) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        asked = await _asked(request)
        try:
            with state.lock:
                _admit(state, api, asked.call)
                reply = api.does(state, asked)
        except Refused as error:
            reply = refused(error)
        _tell_what_was_caused(state)
        return Response(reply.body, reply.status, dict(reply.headers))

    return answer


def _admit(state: State, api: Api, call: Call) -> None:
    if not api.needs_token:
        return
    state.tokens.check(call.headers.get("authorization", ""))
    if api.scopes and not state.scopes.intersection(api.scopes):
        wanted = ", ".join(api.scopes)
        raise Refused(
            99991672,
            f"Access denied. One of the following scopes is required: [{wanted}].应用尚未开通所需的应用身份权限",
            more={
                "permission_violations": [{"type": "action_scope_required", "subject": one} for one in api.scopes],
                "helps": [{"url": f"https://open.feishu.cn/app/{state.app.app_id}/auth?q={','.join(api.scopes)}"}],
            },
        )
    own = api.rate if state.limits.own_rates else None
    rates = [(state.limits.api_qps, 1.0), (state.limits.api_per_minute, 60.0), own or (None, 1.0)]
    for limit, seconds in rates:
        wait_s = state.rates.wait_s(f"{api.method} {api.path} {limit} in {seconds}", limit, seconds)
        if wait_s > 0:
            headers = {"x-ogw-ratelimit-limit": str(limit), "x-ogw-ratelimit-reset": str(max(1, round(wait_s)))}
            raise Refused(99991400, "request trigger frequency limit", http=429, headers=headers)


def _tell_what_was_caused(state: State) -> None:
    """Outside the event loop: whoever listens may deliver it, and wait for it."""
    with state.lock:
        caused, state.caused = state.caused, []
        listener = state.on_event
    for event in caused if listener else []:
        asyncio.get_running_loop().run_in_executor(None, listener, event)  # type: ignore[arg-type]  # it is not None


async def _read(scope: Scope, receive: Receive, *, at: float) -> Call:
    request = Request(scope, receive)
    raw = await request.body()
    headers = dict(request.headers)
    body: Any = raw
    if raw and not headers.get("content-type", "").startswith("multipart/"):  # lark-oapi asks for tokens without a type
        try:
            body = json.loads(raw)
        except ValueError:
            body = raw
    return Call(request.method, scope["path"], dict(request.query_params), body, headers, at, raw)


async def _asked(request: Request) -> Asked:
    call: Call = request.scope["call"]
    path = {name: str(value) for name, value in request.path_params.items()}
    if not call.headers.get("content-type", "").startswith("multipart/form-data"):
        return Asked(call, path)
    form, files = {}, {}
    async with request.form() as parts:
        for name, part in parts.items():
            if isinstance(part, UploadFile):
                files[name] = Upload(part.filename or "", await part.read())
            else:
                form[name] = part
    return Asked(call, path, form, files)


async def _drop(send: Send) -> None:
    """Close the connection under uvicorn, and wait until it has noticed."""
    cycle: Any = send.__self__  # type: ignore[attr-defined]  # a method of uvicorn's request
    cycle.transport.abort()
    while not cycle.disconnected:  # noqa: ASYNC110  # uvicorn sets it in its next round
        await asyncio.sleep(0)
