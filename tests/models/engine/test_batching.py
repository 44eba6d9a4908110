"""The engine's own thread: waking, closing, and what happens if it breaks."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence

import pytest

from models.engine.batching import BatchingEngine
from models.engine.requests import CompletionRequest, Event, Failed, Finished, StepFacts, Token
from models.engine.sampling import Chosen
from models.engine.scheduler import EngineLimits
from models.engine.steps import Work
from models.errors import CompletionCancelled, QueueFull
from tests.models.engine.fakes import Clock, Notes, ScriptedRunner

REQUEST = CompletionRequest(prompt_ids=(1, 2, 3), max_tokens=5)
ENDLESS = CompletionRequest(prompt_ids=(1, 2, 3), max_tokens=10_000)


class Listener:
    def __init__(self) -> None:
        self.events: list[Event] = []
        self.began, self.done = threading.Event(), threading.Event()

    def __call__(self, event: Event) -> None:
        self.events.append(event)
        (self.began if isinstance(event, Token) else self.done).set()

    def end(self) -> Event:
        assert self.done.wait(30)
        return self.events[-1]


@pytest.fixture
def runner() -> ScriptedRunner:
    return ScriptedRunner(Clock())


@pytest.fixture
def engine(runner: ScriptedRunner) -> Iterator[BatchingEngine]:
    opened = BatchingEngine(runner)
    yield opened
    opened.close()


def test_a_request_wakes_the_engine(engine: BatchingEngine) -> None:
    for _ in range(3):
        listener = Listener()
        engine.submit(REQUEST, listener)
        assert listener.end() == Finished("length", 5)


def test_a_cancelled_ticket_ends_its_request_and_can_be_cancelled_again(engine: BatchingEngine) -> None:
    listener = Listener()
    ticket = engine.submit(ENDLESS, listener)
    assert listener.began.wait(30)
    ticket.cancel()
    ticket.cancel()
    end = listener.end()
    assert isinstance(end, Finished)
    assert end.reason == "cancelled"
    ticket.cancel()


class OneStepOnly(ScriptedRunner):
    """Makes one step, and the next only when it is let go."""

    go_on = threading.Event()

    def run(self, work: Sequence[Work]) -> list[Chosen | None]:
        if self.batches:
            self.go_on.wait()
        return super().run(work)


def test_submitting_to_a_full_queue_raises() -> None:
    runner = OneStepOnly(Clock())
    engine = BatchingEngine(runner, limits=EngineLimits(max_running=1, max_waiting=2))
    first = Listener()
    engine.submit(REQUEST, first)
    assert first.began.wait(30)
    for _ in range(2):
        engine.submit(REQUEST, Listener())
    try:
        with pytest.raises(QueueFull):
            engine.submit(REQUEST, Listener())
        load = engine.load()
        assert (load.running, load.waiting, load.max_waiting) == (1, 2, 2)
    finally:
        runner.go_on.set()
        engine.close()


def test_closing_ends_all_and_refuses_what_comes(runner: ScriptedRunner) -> None:
    engine = BatchingEngine(runner, limits=EngineLimits(max_running=1))
    listeners = [Listener(), Listener()]
    for listener in listeners:
        engine.submit(ENDLESS, listener)
    engine.close()
    assert not engine.is_alive()
    assert [getattr(listener.end(), "reason", None) for listener in listeners] == ["cancelled", "cancelled"]
    assert runner.open_slots == set()
    with pytest.raises(CompletionCancelled, match="closed"):
        engine.submit(REQUEST, Listener())


def test_an_engine_that_breaks_fails_its_requests_and_says_that_it_is_dead(runner: ScriptedRunner) -> None:
    class Breaks(Notes):
        def stepped(self, facts: StepFacts) -> None:
            raise RuntimeError("a fault of our own")

    engine = BatchingEngine(runner, observer=Breaks())
    listener = Listener()
    engine.submit(REQUEST, listener)
    end = listener.end()
    assert isinstance(end, Failed)
    assert "a fault of our own" in str(end.error)
    engine.close()
    assert not engine.is_alive()
