"""The load generator, against a server whose times are known and a target whose clock is scripted."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field
from itertools import pairwise

import pytest

from bench.errors import EngineEnded, TargetError
from bench.figures import percentile
from bench.load import closed_loop, joined_by, open_loop
from bench.outcomes import Answered, Failed, Window
from bench.targets import Event, Message, OpenAIServer, Piece, Prompt, Usage, open_client
from tests.fake_openai import ErrorAfter, Reply, Status, Words, fake_openai


def prompts(count: int, label: str = "") -> list[Prompt]:
    return [Prompt((Message("user", f"question {n}"),), 3, label) for n in range(count)]


@dataclass
class Meter:
    """Readings that a test sets."""

    server: float = 0.0
    machine: float = 0.0
    is_gone: bool = False

    def server_cpu_s(self) -> float:
        if self.is_gone:
            raise EngineEnded("process 1 has ended")
        return self.server

    def machine_cpu_s(self) -> float:
        return self.machine


@dataclass
class Scripted:
    """A target of which every answer passes the given times on the clock, and costs as much CPU."""

    first_s: float
    gaps_s: tuple[float, ...]
    now: float = 100.0
    meter: Meter = field(default_factory=Meter)

    async def stream(self, prompt: Prompt) -> AsyncGenerator[Event]:
        for seconds in (self.first_s, *self.gaps_s):
            self.now += seconds
            self.meter.server += seconds
            self.meter.machine += 3 * seconds
            yield Piece("word")
        yield Usage(prompt_tokens=50, completion_tokens=9)

    def clock(self) -> float:
        return self.now


async def against(*replies: Reply, clients: int, count: int) -> tuple[Window, list[dict[str, object]]]:
    with fake_openai(*replies) as server:
        async with open_client() as client:
            target = OpenAIServer(server.url.removesuffix("/v1"), "m", client, {"ignore_eos": True})
            return await closed_loop(target, prompts(count), clients=clients, meter=Meter()), server.bodies


async def test_times_are_those_of_the_clock() -> None:
    target = Scripted(2.0, (0.5, 0.25))
    window = await closed_loop(target, prompts(2), clients=1, meter=target.meter, clock=target.clock)

    first, second = window.answered
    assert (first.started_s, first.first_text_s, first.gaps_s, first.total_s) == (0.0, 2.0, (0.5, 0.25), 2.75)
    assert second.started_s == 2.75
    assert window.wall_s == 5.5
    assert (first.prompt_tokens, first.completion_tokens) == (50, 9)


async def test_cpu_is_what_the_server_spent_meanwhile() -> None:
    target = Scripted(2.0, (0.5, 0.25))
    window = await closed_loop(target, prompts(2), clients=1, meter=target.meter, clock=target.clock)

    assert window.cpu_s == 5.5
    assert window.answered[0].cpu_first_text_s == 2.0
    assert window.answered[0].cpu_total_s == 2.75
    assert window.elsewhere_cpu_s == pytest.approx(2 * 5.5, abs=0.5)  # less what this process itself spent


async def test_percentiles_match_the_truth() -> None:
    gaps = tuple(n / 100 for n in range(1, 101))
    target = Scripted(1.0, gaps)
    window = await closed_loop(target, prompts(3), clients=1, meter=target.meter, clock=target.clock)

    seen = [gap for answer in window.answered for gap in answer.gaps_s]
    assert percentile(seen, 50) == pytest.approx(0.505, rel=0.02)
    assert percentile(seen, 95) == pytest.approx(0.95, rel=0.02)
    assert percentile(seen, 100) == pytest.approx(1.0)


async def test_a_real_server_with_known_times_is_seen_with_them() -> None:
    window, bodies = await against(Words(("a", "b", "c"), first_s=0.4, gap_s=0.2), clients=4, count=4)

    assert len(window.answered) == 4
    for answer in window.answered:
        assert 0.4 <= answer.first_text_s < 2
        assert len(answer.gaps_s) == 2
        assert sum(answer.gaps_s) == pytest.approx(0.4, abs=0.3)
        assert answer.total_s >= 0.8
    assert window.wall_s < 4 * 0.8  # they were asked at the same time
    assert bodies[0]["ignore_eos"] is True
    assert (bodies[0]["max_tokens"], bodies[0]["temperature"], bodies[0]["stream"]) == (3, 0, True)


async def test_one_client_asks_one_after_the_other() -> None:
    window, bodies = await against(Words(("a",), first_s=0.1), clients=1, count=3)

    starts = [answer.started_s for answer in window.answered]
    assert len(bodies) == 3
    assert all(after - before >= 0.1 for before, after in pairwise(starts))


async def test_more_clients_than_prompts_leave_nobody_waiting() -> None:
    window, _ = await against(Words(), clients=8, count=3)

    assert len(window.answered) == 3


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (Status(503, {"message": "loading"}), "HTTP 503"),
        (ErrorAfter(("half",), {"message": "out of paper"}), "out of paper"),
        (Words(finish=None), "broke off"),
        (Words(words=()), "no text"),
    ],
    ids=["status", "error in the stream", "broken off", "empty"],
)
async def test_errors_are_counted_and_not_dropped(reply: Reply, reason: str) -> None:
    window, _ = await against(Words(), reply, Words(), clients=1, count=3)

    assert [type(one) for one in window.outcomes] == [Answered, Failed, Answered]
    assert reason in window.failed[0].reason


async def test_a_server_that_errors_half_of_the_time_is_still_measured() -> None:
    replies: list[Reply] = [Words(), Status(500, {"message": "no"})] * 5
    window, _ = await against(*replies, clients=3, count=10)

    assert (len(window.answered), len(window.failed)) == (5, 5)


async def test_a_server_that_is_not_there_fails_every_request(unused_tcp_port: int) -> None:
    async with open_client() as client:
        target = OpenAIServer(f"http://127.0.0.1:{unused_tcp_port}", "m", client)
        window = await closed_loop(target, prompts(2), clients=2, meter=Meter())

    assert [failed.reason.split(":")[0] for failed in window.failed] == ["ConnectError", "ConnectError"]


@dataclass
class Dying(Scripted):
    """Its process is gone after the first answer."""

    async def stream(self, prompt: Prompt) -> AsyncGenerator[Event]:
        if self.meter.is_gone:
            raise TargetError("connection refused")
        async for event in super().stream(prompt):
            yield event
        self.meter.is_gone = True


async def test_what_a_server_answered_before_it_ended_is_kept() -> None:
    target = Dying(0.5, (0.1,))
    window = await closed_loop(target, prompts(3), clients=1, meter=target.meter, clock=target.clock)

    assert [type(one) for one in window.outcomes] == [Answered, Failed, Failed]
    assert window.cpu_s == pytest.approx(0.5)  # as it was last read, at the first word


async def test_without_usage_pieces_are_counted() -> None:
    window, _ = await against(Words(usage=False), clients=1, count=1)

    assert window.answered[0].completion_tokens == 3
    assert not window.answered[0].is_counted_by_server


@dataclass
class HalfCounting(Scripted):
    """Says how many tokens it read, and not how many it wrote."""

    async def stream(self, prompt: Prompt) -> AsyncGenerator[Event]:
        async for event in super().stream(prompt):
            yield Usage(prompt_tokens=50, completion_tokens=0) if isinstance(event, Usage) else event


async def test_usage_that_counts_only_the_prompt_counts_no_answer() -> None:
    target = HalfCounting(0.5, (0.1,))
    (only,) = (await closed_loop(target, prompts(1), clients=1, meter=target.meter, clock=target.clock)).answered

    assert (only.prompt_tokens, only.completion_tokens, only.is_counted_by_server) == (50, 2, False)


class Endless:
    """Never answers."""

    def __init__(self) -> None:
        self.was_asked = asyncio.Event()

    async def stream(self, prompt: Prompt) -> AsyncGenerator[Event]:
        self.was_asked.set()
        await asyncio.Event().wait()
        yield Piece("never")


@pytest.mark.parametrize("by", ["until", "cancelling"])
@pytest.mark.parametrize("loop", ["closed", "open"])
async def test_a_load_that_is_stopped_leaves_nothing_behind(loop: str, by: str) -> None:
    """asyncio would write a traceback about what was cancelled and nobody waited for."""
    target, until, reported = Endless(), asyncio.Event(), list[str]()
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context["message"]))
    asked = prompts(2)
    load = asyncio.create_task(
        closed_loop(target, asked, clients=2, meter=Meter(), until=until)
        if loop == "closed"
        else open_loop(target, asked, arrivals_s=[0, 0], meter=Meter(), until=until)
    )
    await target.was_asked.wait()

    until.set() if by == "until" else load.cancel()
    (window,) = await asyncio.gather(load, return_exceptions=True)
    del load
    gc.collect()

    assert reported == []
    assert isinstance(window, Window if by == "until" else asyncio.CancelledError)


class Company:
    """Answers the watched prompt word by word as the test lets it; the others never end."""

    def __init__(self, watched_ends: Callable[[Company], bool]) -> None:
        self._ends = watched_ends
        self.others = self.dropped = 0
        self.begun_before_others = False

    async def stream(self, prompt: Prompt) -> AsyncGenerator[Event]:
        if prompt.label == "watched":
            self.begun_before_others = self.others == 0
            while not self._ends(self):
                yield Piece("word")
                await asyncio.sleep(0)
            return
        self.others += 1
        try:
            yield Piece("word")
            await asyncio.Event().wait()
        finally:
            self.dropped += 1


async def test_others_join_once_the_watched_answer_has_begun_and_are_dropped_at_its_end() -> None:
    target = Company(lambda company: company.others == 7)
    window = await joined_by(target, prompts(1, "watched")[0], prompts(7, "other"), meter=Meter())

    assert target.begun_before_others
    assert target.dropped == 7
    assert [one.label for one in window.outcomes] == ["watched"]
    assert window.clients == 8


class FailsForOthers(Company):
    async def stream(self, prompt: Prompt) -> AsyncGenerator[Event]:
        if prompt.label == "other":
            self.others += 1
            raise TargetError("HTTP 429")
        async for event in super().stream(prompt):
            yield event


async def test_others_that_fail_are_counted() -> None:
    target = FailsForOthers(lambda company: company.others == 7)
    window = await joined_by(target, prompts(1, "watched")[0], prompts(7, "other"), meter=Meter())

    assert len(window.failed) == 7
