"""Variants that run: each in a process of its own, or on a server that somebody else has started."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import httpx

from bench.engines import Engine, Larkwise, LlamaServer, Pipeline, started
from bench.environment import cores
from bench.errors import EngineEnded, EngineNotReady, TargetError
from bench.processes import Meter, NoServer, ProcessTree
from bench.report.config import file_name
from bench.report.preparing import ANY_MODEL, Ready
from bench.targets import TIMEOUT_S, Message, OpenAIServer, Prompt, Target, bearer, open_client

_PROBE = Prompt((Message("user", "Hello"),), 2)
PATIENT = {f"{what}_TIMEOUT_S": f"{TIMEOUT_S:.0f}" for what in ("QUEUE", "FIRST_TOKEN", "REQUEST")}
"""As long as the client waits for any server: what is slow is to be seen, and not to be cut off."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A variant that can be asked; `process` is None where it is not known what it costs."""

    name: str
    model: str
    target: Target
    process: ProcessTree | None

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
    wanted = variant.ignore_eos
    server = OpenAIServer(url, model, client, {"ignore_eos": True} if wanted is not False else {}, api_key)
    try:
        await _answers(server)
    except TargetError as error:
        if wanted is not None or not str(error).startswith("HTTP 4"):
            raise EngineNotReady(f"{variant.name} at {url} does not answer: {error}") from error
        server = OpenAIServer(url, model, client, {}, api_key)  # OpenAI's own servers know no ignore_eos
        await _answers_at_all(variant.name, server)
    return Subject(variant.name, model, server, process)


async def _answers_at_all(name: str, server: OpenAIServer) -> None:
    try:
        await _answers(server)
    except TargetError as error:
        raise EngineNotReady(f"{name} at {server.url} does not answer: {error}") from error


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
        response = await client.get(f"{url}/v1/models", headers=bearer(api_key))
        response.raise_for_status()
        return str(response.json()["data"][0]["id"])
    except httpx.HTTPError as error:
        raise EngineNotReady(f"{url} does not answer: {type(error).__name__}: {error}") from error
    except (ValueError, LookupError, TypeError) as error:
        raise EngineNotReady(f"{url} does not say what models it has: name one with `model`") from error


def without_v1(url: str) -> str:
    """A server's address, whether or not it was given with /v1."""
    parts = urlsplit(url.rstrip("/"))
    return urlunsplit((parts.scheme, parts.netloc, parts.path.rstrip("/").removesuffix("/v1"), "", ""))
