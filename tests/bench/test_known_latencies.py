"""What is measured against a server that knows what it did: the percentiles are the truth, and a stall is seen."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence

import pytest

from bench.figures import percentile
from bench.load import closed_loop, open_loop
from bench.outcomes import Window
from bench.targets import Event, Message, OpenAIServer, Piece, Prompt, open_client
from tests.bench.timed_server import TimedServer, Timing, timed_server

KNOWN = [Timing(first_s=1.0 + n * 0.04, gap_s=0.1 + n * 0.01) for n in range(40)]
PERCENTS = (50, 90, 95, 99)


class NoMeter:
    def server_cpu_s(self) -> float:
        return 0.0

    def machine_cpu_s(self) -> float:
        return 0.0


def prompts(count: int) -> list[Prompt]:
    return [Prompt((Message("user", f"question {n}"),), 3, str(n)) for n in range(count)]


async def at_once(server: TimedServer, *, clients: int, count: int) -> Window:
    async with open_client() as client:
        return await closed_loop(
            OpenAIServer(server.url, "m", client), prompts(count), clients=clients, meter=NoMeter()
        )


async def at_times(server: TimedServer, arrivals_s: Sequence[float]) -> Window:
    async with open_client() as client:
        return await open_loop(
            OpenAIServer(server.url, "m", client), prompts(len(arrivals_s)), arrivals_s=arrivals_s, meter=NoMeter()
        )


def percentiles(samples: Sequence[float]) -> list[float]:
    return [percentile(samples, percent) for percent in PERCENTS]


def matches_what_the_server_did(window: Window, server: TimedServer) -> None:
    assert len(window.answered) == len(server.done) == len(KNOWN)
    seen, truth = window.answered, server.done
    assert percentiles([one.first_text_s for one in seen]) == pytest.approx(
        percentiles([one.first_s for one in truth]), rel=0.02
    )
    assert percentiles([one.total_s for one in seen]) == pytest.approx(
        percentiles([one.total_s for one in truth]), rel=0.02
    )


async def test_percentiles_of_clients_that_wait_match_the_servers_own_record_within_two_percent() -> None:
    with timed_server(KNOWN) as server:
        window = await at_once(server, clients=8, count=len(KNOWN))

    matches_what_the_server_did(window, server)


async def test_percentiles_of_requests_that_come_unasked_match_too() -> None:
    with timed_server(KNOWN) as server:
        window = await at_times(server, [n * 0.05 for n in range(len(KNOWN))])

    matches_what_the_server_did(window, server)
    assert [one.started_s for one in window.answered] == pytest.approx([n * 0.05 for n in range(len(KNOWN))])


STALL_S = 4.0
STALLING = [Timing(0.02)] * 10 + [Timing(STALL_S)] + [Timing(0.02)]


async def test_a_client_that_waits_hides_a_stall_from_all_but_one_of_its_requests() -> None:
    with timed_server(STALLING, one_at_a_time=True) as server:
        window = await at_once(server, clients=1, count=50)

    assert sum(one.total_s > 1.0 for one in window.answered) == 1


async def test_requests_that_come_unasked_all_see_the_stall_that_they_fall_into() -> None:
    with timed_server(STALLING, one_at_a_time=True) as server:
        window = await at_times(server, [n * 0.1 for n in range(50)])

    # due while the server stalls, from second 1 to 5, with more than a second of it left: 30 of them
    slow = [one.total_s for one in window.answered if one.total_s > 1.0]
    assert 25 <= len(slow) <= 40
    assert percentile([one.total_s for one in window.answered], 90) > STALL_S / 2
    assert max(slow) == pytest.approx(STALL_S, rel=0.1)


class AtOnce:
    async def stream(self, prompt: Prompt) -> AsyncGenerator[Event]:
        yield Piece("word")


async def test_what_the_client_itself_was_late_counts_as_waiting() -> None:
    now = 100.0

    async def oversleep(seconds: float) -> None:
        nonlocal now
        await asyncio.sleep(0)
        now += seconds + 0.5

    window = await open_loop(
        AtOnce(), prompts(1), arrivals_s=[2.0], meter=NoMeter(), clock=lambda: now, sleep=oversleep
    )

    assert (window.answered[0].started_s, window.answered[0].late_s, window.answered[0].total_s) == (2.0, 0.5, 0.5)


class Never:
    """Answers the first prompt and no other."""

    def __init__(self) -> None:
        self.asked = 0
        self.dropped = 0

    async def stream(self, prompt: Prompt) -> AsyncGenerator[Event]:
        self.asked += 1
        try:
            yield Piece("word")
            if prompt.label != "0":
                await asyncio.Event().wait()
        finally:
            self.dropped += prompt.label != "0"


@pytest.mark.parametrize("loop", ["closed", "open"])
async def test_a_measurement_that_is_stopped_keeps_what_was_answered(loop: str) -> None:
    target, stop = Never(), asyncio.Event()
    asyncio.get_running_loop().call_later(0.3, stop.set)

    if loop == "closed":
        window = await closed_loop(target, prompts(5), clients=2, meter=NoMeter(), until=stop)
    else:
        window = await open_loop(target, prompts(3), arrivals_s=[0.0, 0.01, 60.0], meter=NoMeter(), until=stop)

    assert [one.label for one in window.outcomes] == ["0"]
    assert target.asked - 1 == target.dropped
