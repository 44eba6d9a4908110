"""Variants that run: each in a process of its own, or on a server that somebody else has started."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import httpx

from bench.engines import Engine, Larkwise, LlamaServer, Pipeline, started
from bench.environment import cores
from bench.errors import EngineEnded, EngineNotReady, TargetError, TargetRefused, TargetUnreachable
from bench.processes import Meter, NoServer, ProcessTree
from bench.report.config import file_name
from bench.report.preparing import ANY_MODEL, Ready
from bench.targets import TIMEOUT_S, Message, OpenAIServer, Prompt, Target, bearer, open_client

_PROBE = Prompt((Message("user", "Hello"),), 2)
_PAUSES_S = (0.0, 0.2, 1.0, 3.0)
"""Before each time that a server is asked whether it answers; one that never does is measured as it is."""
_PASSING = (httpx.codes.REQUEST_TIMEOUT, httpx.codes.TOO_EARLY, httpx.codes.TOO_MANY_REQUESTS)
"""Statuses of 400 and more that say nothing against the request."""
_UNKNOWN_PARAMETER = (httpx.codes.BAD_REQUEST, httpx.codes.UNPROCESSABLE_ENTITY)
PATIENT = {f"{what}_TIMEOUT_S": f"{TIMEOUT_S:.0f}" for what in ("QUEUE", "FIRST_TOKEN", "REQUEST")}
"""As long as the client waits for any server: what is slow is to be seen, and not to be cut off."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A variant that can be asked; `process` is None where it is not known what it costs."""

    name: str
    model: str
    target: Target
    process: ProcessTree | None
    ignores_eos: bool = True
    """Whether it is told to answer in full length."""

    @property
    def meter(self) -> Meter:
        return self.process or NoServer()


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all variants have alike."""

    scratch: Path
    logs: Path
    threads: int | None
    slots: int
    """The most requests that come at once."""
    longest: int
    """The most tokens that a prompt and its answer have together."""
    environment: Mapping[str, str]
    api_key: str


@asynccontextmanager
async def opened(ready: Ready, around: Surroundings) -> AsyncIterator[Subject]:
    """
    The variant, ready to answer; a process that was started for it is ended with the context.

    Raises:
        EngineNotReady: it does not start, or the server does not answer.
    """
    if ready.variant.provider == "openai":
        async with open_client() as client:
            yield await _remote(ready, client, around.api_key)
        return
    log = around.logs / f"{file_name(ready.name)}.log"
    async with started(_engine(ready, around), log=log, environment=around.environment) as running:
        yield Subject(ready.name, ready.facts.model, running.target, running.process)


def _engine(ready: Ready, around: Surroundings) -> Engine:
    variant, threads = ready.variant, around.threads or cores()
    if variant.provider == "hf-pipeline" and ready.folder:
        return Pipeline(ready.folder, threads)
    if ready.gguf and ready.binary:
        return LlamaServer(ready.binary, ready.gguf, threads, around.slots, around.longest)
    data_dir = around.scratch / file_name(ready.name)
    settings = {**PATIENT, **{name: str(value) for name, value in variant.settings.items()}}
    return Larkwise(ready.facts.model, variant.precision, data_dir, around.threads, settings)


async def _remote(ready: Ready, client: httpx.AsyncClient, api_key: str) -> Subject:
    variant = ready.variant
    url = without_v1(variant.url or "")
    model = ready.facts.model if ready.facts.model != ANY_MODEL else await first_model(url, client, api_key)
    try:
        process = ProcessTree(variant.pid) if variant.pid else None
    except EngineEnded as error:
        raise EngineNotReady(f"{variant.name}: {error}") from error
    options = {} if variant.ignore_eos is False else {"ignore_eos": True}
    server = OpenAIServer(url, model, client, options, api_key)
    server = await _answering(variant.name, server, must_ignore_eos=bool(variant.ignore_eos))
    return Subject(variant.name, model, server, process, ignores_eos="ignore_eos" in server.options)


async def _answering(name: str, server: OpenAIServer, *, must_ignore_eos: bool) -> OpenAIServer:
    """
    The server as it is to be asked: without `ignore_eos` where it does not know that, as OpenAI's own do not.

    One that fails now and then is asked again, and then measured: its failures count.

    Raises:
        EngineNotReady: it cannot be reached, or refuses such requests for good.
    """
    for pause_s in _PAUSES_S:
        await asyncio.sleep(pause_s)
        try:
            try:
                await _answers(server)
            except TargetRefused as error:
                if error.status not in _UNKNOWN_PARAMETER or must_ignore_eos or not server.options:
                    raise
                server = replace(server, options={})
                await _answers(server)
        except TargetError as error:
            if _is_for_good(error):
                raise EngineNotReady(f"{name} at {server.url} does not answer: {error}") from error
        else:
            break
    return server


def _is_for_good(error: TargetError) -> bool:
    if isinstance(error, TargetRefused):
        return httpx.codes.is_client_error(error.status) and error.status not in _PASSING
    return isinstance(error, TargetUnreachable)


async def _answers(server: OpenAIServer) -> None:
    async for _ in server.stream(_PROBE):
        pass


async def first_model(url: str, client: httpx.AsyncClient, api_key: str) -> str:
    """
    What a server calls the first of its models.

    Raises:
        EngineNotReady: it does not answer, or does not say.
    """
    try:
        response = await _got(client, f"{url}/v1/models", api_key)
        response.raise_for_status()
        return str(response.json()["data"][0]["id"])
    except httpx.HTTPError as error:
        raise EngineNotReady(f"{url} does not answer: {type(error).__name__}: {error}") from error
    except (ValueError, LookupError, TypeError) as error:
        raise EngineNotReady(f"{url} does not say what models it has: name one with `model`") from error


async def _got(client: httpx.AsyncClient, url: str, api_key: str) -> httpx.Response:
    """What a server answers in the end: one that fails now and then is asked again."""
    for pause_s in _PAUSES_S:
        await asyncio.sleep(pause_s)
        response = await client.get(url, headers=bearer(api_key))
        if not (response.is_server_error or response.status_code in _PASSING):
            break
    return response


def without_v1(url: str) -> str:
    """A server's address, whether or not it was given with /v1."""
    parts = urlsplit(url.rstrip("/"))
    return urlunsplit((parts.scheme, parts.netloc, parts.path.rstrip("/").removesuffix("/v1"), "", ""))
