"""How much memory a server takes while it is measured."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from bench import gpu
from bench.errors import EngineEnded
from bench.processes import ProcessTree

_SAMPLE_S = 0.5


class Watching:
    """The most resident memory of a process since it was entered; None where there is no process to watch."""

    def __init__(self, process: ProcessTree | None) -> None:
        self._process = process
        self._task: asyncio.Task[None] | None = None
        self.peak_bytes: int | None = None

    async def __aenter__(self) -> Watching:
        if self._process is not None:
            self._task = asyncio.create_task(self._sample(self._process))
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError, EngineEnded):
                await self._task

    async def _sample(self, process: ProcessTree) -> None:
        while True:
            self.peak_bytes = max(self.peak_bytes or 0, process.resident_bytes())
            await asyncio.sleep(_SAMPLE_S)


def gpu_bytes(process: ProcessTree | None, *, used_before: int | None) -> int | None:
    """
    What the process holds on GPUs; where nvidia-smi does not know it, how much more is in use than before it started.

    `used_before` is None where something else may have come since.
    """
    if process is None:
        return None
    held = gpu.memory_bytes(process.pids())
    if held is not None or used_before is None:
        return held
    used = gpu.used_bytes()
    return None if used is None else max(0, used - used_before)
