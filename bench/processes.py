"""What a server costs: CPU-seconds and memory of its process and of all that it has started."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Protocol

from bench.errors import EngineEnded, MissingTool


class Meter(Protocol):
    """Readings that only grow; the cost of something is the difference of two."""

    def server_cpu_s(self) -> float:
        """CPU-seconds of what is measured."""

    def machine_cpu_s(self) -> float:
        """CPU-seconds of everything on this machine, the client and other people's work included."""


_KNOWN_S = 1.0
"""How long descendants are remembered: to find them takes milliseconds, in which no answer is read."""


class ProcessTree:
    """A process and its descendants; those that have ended count through the parent that waited for them."""

    def __init__(self, pid: int) -> None:
        """
        Raises:
            EngineEnded: there is no such process.
        """
        self._psutil = _psutil()
        try:
            self._root = self._psutil.Process(pid)
        except self._psutil.NoSuchProcess as error:
            raise EngineEnded(f"there is no process {pid} on this machine") from error
        self._children: list[Any] = []
        self._found_at = -_KNOWN_S

    def server_cpu_s(self) -> float:
        return float(sum(_cpu_s(times) for times in self._readings("cpu_times")))

    def machine_cpu_s(self) -> float:
        times = self._psutil.cpu_times()
        return float(times.user + times.nice + times.system)

    def resident_bytes(self) -> int:
        """Resident memory, files that are mapped included."""
        return int(sum(memory.rss for memory in self._readings("memory_info")))

    def pids(self) -> frozenset[int]:
        """Its own, and its descendants'."""
        with self._alive():
            return frozenset([self._root.pid, *(process.pid for process in self._descendants())])

    def _readings(self, what: str) -> list[Any]:
        """
        Raises:
            EngineEnded: the process itself is gone; a descendant may come and go.
        """
        with self._alive():
            readings = [getattr(self._root, what)()]
            descendants = self._descendants()
        for process in descendants:
            with suppress(self._psutil.NoSuchProcess):
                readings.append(getattr(process, what)())
        return readings

    @contextmanager
    def _alive(self) -> Iterator[None]:
        try:
            yield
        except self._psutil.NoSuchProcess as error:
            raise EngineEnded(f"process {self._root.pid} has ended while it was measured: see its log") from error

    def _descendants(self) -> list[Any]:
        if time.monotonic() - self._found_at >= _KNOWN_S:
            self._children, self._found_at = self._root.children(recursive=True), time.monotonic()
        return self._children


class NoServer:
    """Where the server's process is not known: it costs nothing that could be read."""

    def server_cpu_s(self) -> float:
        return 0.0

    def machine_cpu_s(self) -> float:
        times = _psutil().cpu_times()
        return float(times.user + times.nice + times.system)


def own_cpu_s() -> float:
    """CPU-seconds of this process, which makes the load."""
    return time.process_time()


def total_memory_bytes() -> int:
    return int(_psutil().virtual_memory().total)


def _cpu_s(times: Any) -> float:
    return float(times.user + times.system + times.children_user + times.children_system)


def _psutil() -> Any:
    try:
        import psutil
    except ImportError as error:
        raise MissingTool("measuring needs psutil: pip install psutil") from error
    return psutil
