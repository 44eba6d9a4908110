"""A thread that serves one caller after the other."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator

import pytest

from models.errors import CompletionCancelled, CompletionTimeout
from models.one_at_a_time import OneAtATime


@pytest.fixture
def worker() -> Iterator[OneAtATime]:
    worker = OneAtATime("test")
    yield worker
    worker.close()


class Busy:
    """Work that goes on until it is let go, or closed."""

    def __init__(self) -> None:
        self.began, self.may_end, self.closed = threading.Event(), threading.Event(), threading.Event()

    def __call__(self) -> Iterator[int]:
        try:
            self.began.set()
            yield 0
            while not self.may_end.wait(0.01):
                yield 1
        finally:
            self.closed.set()


def count() -> Iterator[int]:
    yield from range(3)


def fail() -> Iterator[int]:
    yield 1
    raise RuntimeError("broken")


def test_it_gives_what_the_work_yields(worker: OneAtATime) -> None:
    assert list(worker.items(count, timeout_s=None)) == [0, 1, 2]


async def test_it_does_so_on_an_event_loop(worker: OneAtATime) -> None:
    assert [n async for n in worker.aitems(count, timeout_s=None)] == [0, 1, 2]


def test_no_two_run_at_the_same_time(worker: OneAtATime) -> None:
    running, most = [0], [0]

    def work() -> Iterator[int]:
        running[0] += 1
        most[0] = max(most[0], running[0])
        yield 1
        running[0] -= 1

    threads = [threading.Thread(target=lambda: list(worker.items(work, timeout_s=None))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert most == [1]


def test_an_error_reaches_its_caller_and_nobody_else(worker: OneAtATime) -> None:
    with pytest.raises(RuntimeError, match="broken"):
        list(worker.items(fail, timeout_s=None))
    assert list(worker.items(count, timeout_s=None)) == [0, 1, 2]


def test_who_stops_listening_lets_the_next_one_in(worker: OneAtATime) -> None:
    busy = Busy()
    items = worker.items(busy, timeout_s=None)
    next(items)
    items.close()  # type: ignore[attr-defined]  # it is a generator

    assert list(worker.items(count, timeout_s=10)) == [0, 1, 2]
    assert busy.closed.is_set()


async def test_a_cancelled_task_does_too(worker: OneAtATime) -> None:
    busy = Busy()

    async def listen() -> None:
        async for _ in worker.aitems(busy, timeout_s=None):
            pass

    task = asyncio.create_task(listen())
    await asyncio.to_thread(busy.began.wait)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert [n async for n in worker.aitems(count, timeout_s=10)] == [0, 1, 2]
    assert busy.closed.is_set()


async def test_who_leaves_while_waiting_is_never_served(worker: OneAtATime) -> None:
    busy, never = Busy(), Busy()
    first = asyncio.create_task(_all(worker, busy))
    await asyncio.to_thread(busy.began.wait)
    with pytest.raises(CompletionTimeout):
        [n async for n in worker.aitems(never, timeout_s=0.05)]
    busy.may_end.set()
    await first

    assert [n async for n in worker.aitems(count, timeout_s=10)] == [0, 1, 2]
    assert not never.began.is_set()


def test_time_that_is_over_is_told(worker: OneAtATime) -> None:
    with pytest.raises(CompletionTimeout, match="one caller at a time"):
        list(worker.items(Busy(), timeout_s=0.05))


async def test_closing_tells_those_who_run_and_those_who_wait() -> None:
    worker, busy = OneAtATime("test"), Busy()
    running = asyncio.create_task(_all(worker, busy))
    await asyncio.to_thread(busy.began.wait)
    waiting = asyncio.create_task(_all(worker, count))
    await asyncio.sleep(0)  # it has placed its order
    worker.close()

    for task in (running, waiting):
        with pytest.raises(CompletionCancelled):
            await task
    with pytest.raises(CompletionCancelled):
        list(worker.items(count, timeout_s=None))


async def _all(worker: OneAtATime, work: Callable[[], Iterator[int]]) -> list[int]:
    return [n async for n in worker.aitems(work, timeout_s=10)]
