"""LangServe: the only module that imports it. Everything but the playground and RemoteRunnable lives without."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from fastapi import APIRouter, Depends, FastAPI, Request
from langchain_core.runnables import Runnable
from langserve import add_routes
from starlette.concurrency import run_in_threadpool

from app.conversations import HISTORY
from app.security import caller_of
from app.services import Services, engine_load
from chains.errors import InvalidInput
from chains.registry import ChainSpec, validated
from models.chat import CALLER
from models.errors import QueueFull

_ENDPOINTS: Sequence[Any] = (
    "invoke",
    "batch",
    "stream",
    "stream_log",  # the playground calls nothing else
    "stream_events",
    "input_schema",
    "output_schema",
    "config_schema",
    "playground",
)
_RETRY_S = 10.0
"""An answer or two; how long it takes is known only to who is in the queue."""


def mount(app: FastAPI, spec: ChainSpec, chain: Runnable[Any, Any], services: Callable[[], Services]) -> None:
    """The chain's LangServe routes below /<its name>; input is checked before anything is streamed."""
    # the prefix stands on the router: given to include_router, the playground would not find its assets, and
    # routes on the app itself would register start-up handlers, which `langgraph dev` refuses
    router = APIRouter(prefix=f"/{spec.name}", dependencies=[Depends(_checks(spec, services))])
    add_routes(
        router,
        chain,
        enabled_endpoints=_ENDPOINTS,
        per_req_config_modifier=_with_caller,
    )
    app.include_router(router, tags=[spec.name])


def _checks(spec: ChainSpec, services: Callable[[], Services]) -> Callable[[Request], Any]:
    async def check(request: Request) -> None:
        """A stream has said 200 before its chain starts, so what can be refused is refused here."""
        if request.method != "POST":
            return
        services()  # there may be none yet
        try:
            body = await request.json()
        except ValueError as error:
            raise InvalidInput(f"the body is not JSON ({error})") from error
        if not isinstance(body, dict):
            raise InvalidInput('the body should be an object: {"input": {…}}')
        inputs = body.get("inputs") if request.url.path.endswith("/batch") else [body.get("input")]
        if not isinstance(inputs, list):
            raise InvalidInput('a batch needs a list: {"inputs": [{…}, …]}')
        for value in inputs:
            collection = validated(spec, value).get("collection")
            if collection is not None:
                await run_in_threadpool(services().collections.open, collection)
        _check_queue(services())

    return check


def _check_queue(services: Services) -> None:
    load = engine_load(services.model)
    if load is not None and load.waiting >= load.max_waiting:
        raise QueueFull(load.waiting, retry_after_s=_RETRY_S)


def _with_caller(config: dict[str, Any], request: Request) -> dict[str, Any]:
    """Who asks, and what was said before, is never taken from the body."""
    known = {**config.get("configurable", {}), CALLER: caller_of(request), HISTORY: None}
    return {**config, "configurable": known}
