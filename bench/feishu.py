"""
Feishu's events are acknowledged before any work: `make bench-feishu`, or `python -m bench.feishu`.

The real service, with its model and the handbook, behind a stand-in for Feishu. People in some chats ask all the time,
so that answers are always being written; meanwhile 200 events a second come to the webhook, whether it keeps up or not.
Each of them is work for the bot too, which replies to as many as Feishu lets it. Afterwards every event that was
acknowledged must be in the database.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated

import httpx
import typer
from prometheus_client.parser import text_string_to_metric_families

from app.cli_terminal import err, print_json, say_error
from app.services import open_weights, ready_folder
from app.settings import load_settings
from bench.engines import Larkwise, Running, started
from bench.environment import here
from bench.errors import BenchError
from bench.feishu_askers import Askers
from bench.feishu_events import KEYS, Flood, flood
from bench.feishu_platform import platform_app, serving
from bench.feishu_report import Cost, Flooded, acknowledgement, kept, table
from bench.feishu_sender import Request, Sent, send
from bench.processes import own_cpu_s
from bench.targets import OpenAIServer

_HANDBOOK = Path(__file__).parent.parent / "examples" / "handbook"
_BEGIN_S = 300.0
_FSYNCS = 50


@dataclass(frozen=True, slots=True)
class Wanted:
    """`settings` are further ones of the service, without their prefix."""

    model: str
    flood: Flood
    chats: int
    out: Path
    settings: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Reading:
    """What is counted at one moment; all of it but the tokens only grows."""

    at_s: float
    service_cpu_s: float
    machine_cpu_s: float
    own_cpu_s: float
    step_s: float
    steps: int
    last_minute_tokens: int


def feishu(
    rate: Annotated[float, typer.Option(min=1, help="Events a second")] = 200,
    seconds: Annotated[float, typer.Option(min=1, help="How long they come")] = 20,
    chats: Annotated[int, typer.Option(min=1, max=12, help="In which questions are asked all the time")] = 6,
    model: Annotated[
        str | None, typer.Option(help="A name from `larkwise models list`; else that of LLM_MODEL")
    ] = None,
    out: Annotated[Path, typer.Option(help="Where the service's log and data go")] = Path("var/bench/feishu"),
) -> None:
    """Events while answers are written; exit code 1 where an acknowledged event was not kept. JSON on stdout."""
    wanted = Wanted(model or load_settings().llm_model, Flood(rate, seconds), chats, out)
    try:
        run = asyncio.run(flooded(wanted))
    except BenchError as error:
        say_error(str(error))
        raise typer.Exit(1) from error
    print_json({**asdict(run), "faults": run.faults()})
    for line in table(run):
        err.print(line, markup=False)
    for fault in run.faults():
        say_error(fault)
    if run.faults():
        raise typer.Exit(1)


async def flooded(wanted: Wanted) -> Flooded:
    """
    Raises:
        BenchError: something did not start, or nobody was answered before the flood.
    """
    out = await asyncio.to_thread(_made, wanted.out)
    if dict(wanted.settings).get("LLM_PROVIDER", "local") == "local":
        await asyncio.to_thread(lambda: ready_folder(open_weights(load_settings()), wanted.model))
    # not where temporary files go: that may be memory, and what is kept there costs nothing
    with tempfile.TemporaryDirectory(dir=out) as folder:
        data = Path(folder)
        fsync_ms = await asyncio.to_thread(_fsync_ms, data / "probe")
        await _ingest(data)
        loop = asyncio.get_running_loop()
        replies = _Replies(loop)
        with serving(platform_app(replies.heard)) as platform:
            engine = Larkwise(wanted.model, "none", data, variables=_variables(wanted, data, platform))
            async with started(engine, log=out / "service.log") as running:
                return await _Run(wanted, running, replies, fsync_ms).complete(data / "larkwise.sqlite3")


class _Replies:
    """What the platform hears, in its thread; told to whoever listens, on the event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.count = 0
        self.askers: Askers | None = None

    def heard(self, message_id: str) -> None:
        self._loop.call_soon_threadsafe(self._tell, message_id)

    def _tell(self, message_id: str) -> None:
        self.count += 1
        if self.askers:
            self.askers.hear(message_id)


class _Run:
    def __init__(self, wanted: Wanted, running: Running, replies: _Replies, fsync_ms: float) -> None:
        assert isinstance(running.target, OpenAIServer)
        self._wanted = wanted
        self._process = running.process
        self._url, self._client = running.target.url, running.target.client
        self._replies = replies
        self._fsync_ms = fsync_ms
        self._webhook = f"{self._url}/feishu/webhook"

    async def complete(self, database: Path) -> Flooded:
        askers = self._replies.askers = Askers(self._client, self._webhook, _questions(), chats=self._wanted.chats)
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as sender:
            await asyncio.wrap_future(sender.submit(send, self._webhook, ()))  # it has imported what it needs
            try:
                err.print("waiting for the first answers …")
                await askers.begin(_BEGIN_S)
                requests = await asyncio.to_thread(flood, self._wanted.flood)
                err.print(f"{len(requests):,} events in {self._wanted.flood.seconds:g} s …", markup=False)
                sent, cost = await self._measured(sender, requests)
            finally:
                await askers.end()
        events = [one.event_id for one in sent.outcomes if one.is_acknowledged]
        found = await asyncio.to_thread(kept, database, [*events, *askers.acknowledged])
        return Flooded(
            model=self._wanted.model,
            rate_wanted=self._wanted.flood.rate,
            environment=here(),
            fsync_ms=self._fsync_ms,
            acknowledgement=acknowledgement(sent.outcomes),
            kept=found,
            cost=cost,
        )

    async def _measured(self, sender: ProcessPoolExecutor, requests: Sequence[Request]) -> tuple[Sent, Cost]:
        before, replies = await self._reading(), self._replies.count
        sent = await asyncio.wrap_future(sender.submit(send, self._webhook, requests))
        after = await self._reading()
        seconds, service_cpu_s = after.at_s - before.at_s, after.service_cpu_s - before.service_cpu_s
        ours_cpu_s = service_cpu_s + after.own_cpu_s - before.own_cpu_s + sent.cpu_s
        return sent, Cost(
            seconds=seconds,
            service_cpu_s=service_cpu_s,
            sender_cpu_s=sent.cpu_s,
            elsewhere_cpu_s=after.machine_cpu_s - before.machine_cpu_s - ours_cpu_s,
            writing=(after.step_s - before.step_s) / seconds,
            steps=after.steps - before.steps,
            # what leaves the minute meanwhile lowers it: never too many
            tokens=max(0, after.last_minute_tokens - before.last_minute_tokens),
            replies=self._replies.count - replies,
        )

    async def _reading(self) -> Reading:
        try:
            page = (await self._client.get(f"{self._url}/metrics")).raise_for_status().text
        except httpx.HTTPError as error:
            raise BenchError(f"the service's /metrics cannot be read: {error!r}") from error
        return Reading(
            at_s=time.perf_counter(),
            service_cpu_s=self._process.server_cpu_s(),
            machine_cpu_s=self._process.machine_cpu_s(),
            own_cpu_s=own_cpu_s(),
            step_s=metric(page, "larkwise_step_seconds_sum"),
            steps=int(metric(page, "larkwise_step_seconds_count")),
            last_minute_tokens=round(60 * metric(page, "larkwise_tokens_per_second")),
        )


def metric(page: str, name: str, **labels: str) -> float:
    """One number of a page that Prometheus reads; 0 where it is not there yet."""
    samples = (sample for family in text_string_to_metric_families(page) for sample in family.samples)
    return next((sample.value for sample in samples if (sample.name, sample.labels) == (name, labels)), 0.0)


def _variables(wanted: Wanted, data: Path, platform: str) -> dict[str, str]:
    return {
        "LLM_QUANTIZATION": "auto",
        "DATABASE_URL": f"sqlite+aiosqlite:///{data / 'larkwise.sqlite3'}",
        "FEISHU_APP_ID": KEYS.app_id,
        "FEISHU_APP_SECRET": "bench",
        "FEISHU_ENCRYPT_KEY": KEYS.encrypt_key,
        "FEISHU_VERIFICATION_TOKEN": KEYS.verification_token,
        "FEISHU_TRANSPORT": "webhook",
        "FEISHU_DOMAIN": platform,
        **dict(wanted.settings),
    }


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder.absolute()


async def _ingest(data: Path) -> None:
    """In a process of its own, whose models do not stay in memory here."""
    command = (sys.executable, "-m", "bench.own_ingest", str(_HANDBOOK), str(data))
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdout=pipe, stderr=pipe)
    _, complaint = await process.communicate()
    if process.returncode:
        raise BenchError(f"the handbook could not be ingested: {complaint.decode(errors='replace')[-600:]}")


def _questions() -> list[str]:
    lines = (_HANDBOOK / "questions.jsonl").read_text(encoding="utf-8").splitlines()
    asked = [json.loads(line) for line in lines]
    return [str(one["question"]) for one in asked if one["answerable"]]


def _fsync_ms(file: Path) -> float:
    """What it costs to have a page on the disk: below it no event can be kept."""
    times = []
    with file.open("wb") as probe:
        for _ in range(_FSYNCS):
            probe.write(bytes(4096))
            probe.flush()
            began = time.perf_counter()
            os.fsync(probe.fileno())
            times.append(time.perf_counter() - began)
    return 1000 * statistics.median(times)


if __name__ == "__main__":
    typer.run(feishu)
