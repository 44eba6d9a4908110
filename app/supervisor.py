"""Runs the jobs that wait: one at a time on a machine, in a process of their own that is gone when there are none."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import signal
import threading
import time
import uuid
from collections.abc import AsyncIterator, Callable
from multiprocessing import get_context
from typing import Any

from filelock import FileLock, Timeout
from sqlalchemy.exc import SQLAlchemyError

from app.jobs import MAX_CRASHES, MAX_LOSSES, Job, Jobs, Progress
from app.originals import Originals
from app.services import Services
from app.settings import Settings
from app.worker import STOP, Message, put_away, task_of, work
from ingest.collections import CollectionSet

logger = logging.getLogger(__name__)
_POLL_S = 0.5
_RENEW_S = 3.0
"""Several times within a lease."""
_TELL_S = 0.3
"""Progress is not written more often."""
_STOP_S = 5.0
"""What a document may take to its end when the service is stopped; then the worker is killed, which harms nothing."""
_TROUBLE_S = 5.0
_LINGER_S = 10.0
"""The model stays loaded for whoever uploads one file after the other."""
_LOCK = "jobs.lock"


@contextlib.asynccontextmanager
async def supervising(services: Services, *, is_over: Callable[[], bool]) -> AsyncIterator[None]:
    """Run jobs meanwhile; `is_over` says when no new one is to be begun, and a running one is to be put down."""
    ending = asyncio.Event()
    supervisor = _Supervisor(services, lambda: ending.is_set() or is_over(), ending)
    running = asyncio.create_task(supervisor.run())
    try:
        yield
    finally:
        ending.set()
        await running


class _Worker:
    """A process of `app.worker`, seen from the service."""

    def __init__(self, settings: Settings, loop: asyncio.AbstractEventLoop) -> None:
        """Blocks for a moment."""
        context = get_context("spawn")
        self._heard: asyncio.Queue[Message] = asyncio.Queue()
        self._line, theirs = context.Pipe()
        self._process = context.Process(target=work, args=(settings, theirs), name="larkwise-worker")
        self._process.start()
        theirs.close()
        self._listening = threading.Thread(target=self._listen, args=(loop,), daemon=True)
        self._listening.start()

    def is_alive(self) -> bool:
        return self._process.is_alive()

    async def tell(self, message: Message) -> None:
        with contextlib.suppress(OSError):  # it has died, which is heard
            await asyncio.to_thread(self._line.send_bytes, json.dumps(message).encode())

    async def hear(self, timeout_s: float) -> Message | None:
        """What it says next; {"kind": "died"} at its end, None where it says nothing for so long."""
        try:
            return await asyncio.wait_for(self._heard.get(), timeout_s)
        except TimeoutError:
            return None

    async def kill(self) -> int:
        """With everything that it has started; its exit code."""
        return await asyncio.to_thread(self._kill)

    def _kill(self) -> int:
        pid = self._process.pid
        if pid is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, signal.SIGKILL)
        self._process.kill()
        self._process.join()
        self._listening.join()
        self._line.close()
        code = self._process.exitcode or 0
        self._process.close()
        return code

    def _listen(self, loop: asyncio.AbstractEventLoop) -> None:
        message: Message = {}
        while message != {"kind": "died"}:
            try:
                message = json.loads(self._line.recv_bytes())
            except (EOFError, OSError):
                message = {"kind": "died"}
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody listens any more
                loop.call_soon_threadsafe(self._heard.put_nowait, message)


class _Supervisor:
    def __init__(self, services: Services, is_over: Callable[[], bool], ending: asyncio.Event) -> None:
        self._settings: Settings = services.settings
        self._jobs: Jobs = services.jobs
        self._originals: Originals = services.originals
        self._collections: CollectionSet = services.collections
        self._is_over = is_over
        self._ending = ending
        self._owner = uuid.uuid4().hex
        self._lock = FileLock(self._settings.data_dir / _LOCK, thread_local=False)
        self._worker: _Worker | None = None
        self._worked_at = 0.0

    async def run(self) -> None:
        """Until it is over."""
        tidied = False
        while not self._is_over():
            try:
                if not tidied:
                    await self._tidy()
                    tidied = True
                has_worked = await self._run_next()
            except (SQLAlchemyError, OSError) as error:
                logger.warning("jobs cannot be run now (%s): larkwise tries again", error)
                await self._dismiss()
                await self._pause(_TROUBLE_S)
            except Exception:  # the top of a task: an error of ours must not end it
                logger.exception("jobs cannot be run now: larkwise tries again")
                await self._dismiss()
                await self._pause(_TROUBLE_S)
            else:
                if not has_worked:
                    await self._dismiss(idle_s=_LINGER_S)
                    await self._pause(_POLL_S)
        await self._dismiss()

    async def _tidy(self) -> None:
        await self._jobs.forget_old()
        waiting = await self._jobs.waiting_ids()
        await asyncio.to_thread(self._originals.drop_abandoned, waiting)

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._ending.wait(), seconds)

    async def _dismiss(self, idle_s: float = 0) -> None:
        """End the worker if it has had nothing to do for so long."""
        if self._worker is not None and time.monotonic() - self._worked_at >= idle_s:
            worker, self._worker = self._worker, None
            await worker.kill()

    async def _run_next(self) -> bool:
        """Whether there was a job."""
        if not await self._jobs.is_any_waiting():
            return False
        try:
            await asyncio.to_thread(self._lock.acquire, timeout=0)
        except Timeout:  # another service on this machine runs one
            return False
        try:
            await self._jobs.reclaim()
            here = await asyncio.to_thread(self._originals.job_ids)
            job = await self._jobs.claim(self._owner, here)
            if job is not None:
                await self._run(job)
            return job is not None
        finally:
            await asyncio.to_thread(self._lock.release)

    async def _run(self, job: Job) -> None:
        if job.losses >= MAX_LOSSES:
            await self._give_up(job, f"the service has died {job.losses} times while it ran this job")
            return
        logger.info("job %s: %d files into %s", job.id, job.progress.total, job.collection)
        if self._worker is not None and not self._worker.is_alive():
            await self._dismiss()
        if self._worker is None:
            self._worker = await asyncio.to_thread(_Worker, self._settings, asyncio.get_running_loop())
        await self._worker.tell(task_of(job))
        ending = await self._followed(self._worker, job)
        self._worked_at = time.monotonic()
        match ending:
            case {"kind": "report", "report": report}:
                logger.info("job %s is done", job.id)
                if await self._jobs.finish(job.id, self._owner, report):
                    await asyncio.to_thread(self._originals.drop_incoming, job.id)
            case {"kind": "failed", "error": error}:
                logger.warning("job %s has failed: %s", job.id, error)
                if await self._jobs.fail(job.id, self._owner, error):
                    await asyncio.to_thread(self._originals.drop_incoming, job.id)
            case {"kind": "died"}:
                await self._worker_died(job)
            case {"kind": "stopped"}:
                await self._dismiss()
                await self._jobs.interrupt(job.id, self._owner)
                logger.info("job %s is interrupted: it goes on when the service is back", job.id)
            case _:  # another service has it: its lease has run out here
                await self._dismiss()
                logger.warning("job %s was taken over by another service", job.id)

    async def _followed(self, worker: _Worker, job: Job) -> Message:
        """The message that ends it; its lease is renewed until then."""
        progress = written = job.progress
        written_at = time.monotonic()
        stop_by: float | None = None
        while True:
            message = await worker.hear(_TELL_S)
            if message is not None and message["kind"] != "progress":
                return message
            if message is not None:
                progress = _progress(message)
            if self._is_over() and stop_by is None:
                await worker.tell(STOP)
                stop_by = time.monotonic() + _STOP_S
            if stop_by is not None and time.monotonic() > stop_by:
                return {"kind": "stopped"}
            if time.monotonic() - written_at > (_RENEW_S if progress == written else _TELL_S):
                if not await self._jobs.renew(job.id, self._owner, progress):
                    return {"kind": "lost"}
                written, written_at = progress, time.monotonic()

    async def _worker_died(self, job: Job) -> None:
        code = await self._worker.kill() if self._worker else 0
        self._worker = None
        why = f"killed by signal {-code}" if code < 0 else f"ended with code {code}"
        logger.warning("job %s: its worker was %s", job.id, why)
        crashes = await self._jobs.count_crash(job.id, self._owner)
        if crashes >= MAX_CRASHES:
            await self._give_up(job, f"the process that worked on it was {why}, and so {crashes} times in all")
        else:
            await self._jobs.interrupt(job.id, self._owner)

    async def _give_up(self, job: Job, why: str) -> None:
        error = (
            f"{why}, perhaps for lack of memory: what was indexed before stays; send fewer or smaller files at once, "
            "or set LARKWISE_INGEST_THREADS=1"
        )
        if await self._jobs.fail(job.id, self._owner, error):
            await asyncio.to_thread(put_away, self._settings, self._collections, job)


def _progress(message: dict[str, Any]) -> Progress:
    return Progress(message["done"], message["total"], message.get("file", ""), message.get("note", ""))
