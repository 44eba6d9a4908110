"""The engines that are compared: how each is started, and how it is asked so that all do the same work."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import IO, Any, Literal, TypeAlias

import httpx

from bench.errors import EngineNotReady
from bench.processes import ProcessTree
from bench.targets import LineProcess, OpenAIServer, Target, open_client

_READY_TIMEOUT_S = 300.0
_STOP_TIMEOUT_S = 20.0
_ADDRESS = re.compile(r"http://127\.0\.0\.1:(\d+)")
_LLAMA_CONTEXT = 2048
"""For each of its slots, at least."""
_TEMPLATE = 256
"""Tokens that a chat template may add."""


@dataclass(frozen=True, slots=True)
class Larkwise:
    """Our service in a process of its own, as `larkwise serve` starts it."""

    model: str
    quantization: Literal["none", "int8"]
    data_dir: Path
    threads: int | None = None
    variables: Mapping[str, str] | None = None
    """More settings, without their prefix."""

    @property
    def name(self) -> str:
        return f"larkwise {'bf16' if self.quantization == 'none' else self.quantization}"

    @property
    def command(self) -> Sequence[str]:
        settings = {
            "DATA_DIR": str(self.data_dir),
            "HOST": "127.0.0.1",
            "PORT": "0",
            "LLM_PROVIDER": "local",
            "LLM_MODEL": self.model,
            "LLM_QUANTIZATION": self.quantization,
            **({"LLM_THREADS": str(self.threads)} if self.threads else {}),
            **(self.variables or {}),
        }
        variables = [f"LARKWISE_{name}={value}" for name, value in settings.items()]
        return ("env", *variables, sys.executable, "-m", "app", "serve")


@dataclass(frozen=True, slots=True)
class LlamaServer:
    """llama.cpp's server on a GGUF file; its prompt cache is turned off, since no two prompts here are alike."""

    binary: Path
    gguf: Path
    threads: int
    slots: int = 8
    longest: int = 0
    """The most tokens that a prompt and its answer have together; for a few thousand there is room anyway."""

    @property
    def name(self) -> str:
        return "llama.cpp"

    @property
    def command(self) -> Sequence[str]:
        context = str(self.slots * max(_LLAMA_CONTEXT, self.longest + _TEMPLATE))
        threads = ("-t", str(self.threads), "-tb", str(self.threads))
        address = ("--host", "127.0.0.1", "--port", "0")
        return (
            str(self.binary), "-m", str(self.gguf), *address, *threads,
            "--parallel", str(self.slots), "-c", context, "--no-webui",
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Pipeline:
    """LangChain's HuggingFacePipeline on bf16 weights: one at a time."""

    folder: Path
    threads: int

    @property
    def name(self) -> str:
        return "HuggingFacePipeline bf16"

    @property
    def command(self) -> Sequence[str]:
        return (sys.executable, "-m", "bench.baseline_pipeline", str(self.folder), str(self.threads))


Engine: TypeAlias = Larkwise | LlamaServer | Pipeline


@dataclass(frozen=True, slots=True)
class Running:
    """An engine that can be asked; `process` is what it costs."""

    name: str
    target: Target
    process: ProcessTree


@asynccontextmanager
async def started(
    engine: Engine, *, log: Path, environment: Mapping[str, str] = MappingProxyType({})
) -> AsyncIterator[Running]:
    """
    The engine, ready to answer; ended when the context ends. What it writes goes to `log`.

    `environment` is what it sees beside what this process sees.

    Raises:
        EngineNotReady: it ended, or was not ready in time.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        process = await _spawned(engine, environment, output)
        try:
            async with open_client() as client:
                target = await _ready(engine, process, log, client)
                yield Running(engine.name, target, ProcessTree(process.pid))
        finally:
            await _ended(process)


async def _spawned(engine: Engine, environment: Mapping[str, str], log: IO[bytes]) -> asyncio.subprocess.Process:
    piped = asyncio.subprocess.PIPE if isinstance(engine, Pipeline) else None
    variables = ["env", *(f"{name}={value}" for name, value in environment.items())] if environment else []
    try:
        return await asyncio.create_subprocess_exec(
            *variables,
            *engine.command,
            stdin=piped or asyncio.subprocess.DEVNULL,
            stdout=piped or log,
            stderr=log,
            process_group=0,  # Ctrl-C is for the bench, which ends its engines itself
        )
    except OSError as error:
        raise EngineNotReady(f"{engine.name} cannot be started: {error}") from error


async def _ready(engine: Engine, process: asyncio.subprocess.Process, log: Path, client: httpx.AsyncClient) -> Target:
    try:
        async with asyncio.timeout(_READY_TIMEOUT_S):
            if isinstance(engine, Pipeline):
                assert process.stdout is not None
                if await process.stdout.readline() != b'{"ready": true}\n':
                    raise EngineNotReady(f"{engine.name} did not start: {_last_lines(log)}")
                return LineProcess(process)
            url = await _address(engine, process, log)
            await _healthy(engine, process, log, client, url)
            return await _server(engine, client, url)
    except TimeoutError:
        raise EngineNotReady(
            f"{engine.name} was not ready after {_READY_TIMEOUT_S:.0f} s: {_last_lines(log)}"
        ) from None


async def _address(engine: Engine, process: asyncio.subprocess.Process, log: Path) -> str:
    while True:
        if found := _ADDRESS.search(await asyncio.to_thread(_text, log)):
            return found[0]
        if process.returncode is not None:
            raise EngineNotReady(f"{engine.name} ended: {_last_lines(log)}")
        await asyncio.sleep(0.2)


async def _healthy(
    engine: Engine, process: asyncio.subprocess.Process, log: Path, client: httpx.AsyncClient, url: str
) -> None:
    path = "/health/ready" if isinstance(engine, Larkwise) else "/health"
    while True:
        try:
            if (await client.get(f"{url}{path}")).status_code == httpx.codes.OK:
                return
        except httpx.TransportError:
            pass  # it listens in a moment
        if process.returncode is not None:
            raise EngineNotReady(f"{engine.name} ended: {_last_lines(log)}")
        await asyncio.sleep(0.2)


async def _server(engine: Larkwise | LlamaServer, client: httpx.AsyncClient, url: str) -> OpenAIServer:
    """Every answer has its full length, and llama.cpp keeps no prompt."""
    options: dict[str, Any] = {"ignore_eos": True}
    if isinstance(engine, LlamaServer):
        return OpenAIServer(url, "any", client, {**options, "cache_prompt": False})
    return OpenAIServer(url, engine.model, client, options)


async def _ended(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.terminate()
    if process.stdin is not None:
        process.stdin.close()
    try:
        async with asyncio.timeout(_STOP_TIMEOUT_S):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


def _text(log: Path) -> str:
    return log.read_text(encoding="utf-8", errors="replace")


def _last_lines(log: Path) -> str:
    lines = _text(log).strip().splitlines()
    return " / ".join(lines[-3:]) or "it said nothing"
