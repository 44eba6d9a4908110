"""One at a time, the urgent first, and nobody for ever."""

from __future__ import annotations

import asyncio

import pytest

from app.turns import Turns


async def test_one_at_a_time_and_the_urgent_before_the_others() -> None:
    turns, order, inside = Turns(), [], 0

    async def one(name: str, *, urgent: bool = False) -> None:
        nonlocal inside
        async with turns.turn(urgent=urgent):
            inside += 1
            assert inside == 1
            await asyncio.sleep(0)
            order.append(name)
            inside -= 1

    async with asyncio.TaskGroup() as tasks:
        for name in ("a", "b", "c"):
            tasks.create_task(one(name))
        tasks.create_task(one("urgent", urgent=True))
    assert order == ["a", "urgent", "b", "c"]


async def test_whoever_is_cancelled_while_waiting_or_just_called_holds_nobody_up() -> None:
    turns = Turns()
    entered = asyncio.Event()

    async def hold() -> None:
        async with turns.turn():
            entered.set()
            await asyncio.sleep(0.01)
        waiting[0].cancel()  # its turn has been given, and it has not run yet

    async def wait() -> None:
        async with turns.turn():
            raise AssertionError("it was cancelled")

    holder = asyncio.create_task(hold())
    await entered.wait()
    waiting = [asyncio.create_task(wait()) for _ in range(2)]
    await asyncio.sleep(0)
    waiting[1].cancel()
    await holder
    await asyncio.gather(*waiting, return_exceptions=True)
    async with asyncio.timeout(1), turns.turn():
        assert all(task.cancelled() for task in waiting)


async def test_an_error_inside_passes_the_turn_on() -> None:
    turns = Turns()
    with pytest.raises(ZeroDivisionError):
        async with turns.turn():
            _ = 1 / 0
    async with asyncio.timeout(1), turns.turn():
        pass
