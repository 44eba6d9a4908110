"""Many completions at once on one thread: requests join and leave between two steps of the model."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from models.engine.requests import CompletionRequest, EngineLoad, Event, Failed, Finished, NobodyWatches, Observer
from models.engine.scheduler import EngineLimits, Sequence
from models.engine.steps import Runner, Steps
from models.errors import CompletionCancelled

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Ticket:
    sequence: Sequence
    wake: Callable[[], None]

    def cancel(self) -> None:
        self.sequence.cancelled.set()
        self.wake()


class BatchingEngine:
    """Makes one step after the other in a thread of its own, as long as there is work; see `Steps`."""

    def __init__(
        self,
        runner: Runner,
        *,
        limits: EngineLimits | None = None,
        observer: Observer | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.runner = runner
        self._clock = clock
        self._steps = Steps(runner, limits=limits or EngineLimits(), observer=observer or NobodyWatches(), clock=clock)
        self._changed = threading.Condition()
        self._closing = False
        self._thread = threading.Thread(target=self._work, name="larkwise-engine", daemon=True)
        self._thread.start()

    def submit(self, request: CompletionRequest, on_event: Callable[[Event], None]) -> _Ticket:
        sequence = Sequence(request, on_event, submitted_at=self._clock())
        with self._changed:
            if self._closing:
                raise CompletionCancelled("the model is closed: no more answers")
            self._steps.add(sequence)
            self._changed.notify()
        return _Ticket(sequence, self._wake)

    def load(self) -> EngineLoad:
        return self._steps.load()

    def is_alive(self) -> bool:
        return self._thread.is_alive() and not self._closing

    def close(self) -> None:
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join()

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify()

    def _work(self) -> None:
        try:
            self.runner.begin()
            while self._wait_for_work():
                self._steps.turn()
        except Exception as error:
            logger.exception("the engine has ended")
            failed = Failed(error)
            self._end_all(lambda _: failed)
        else:
            self._end_all(lambda sequence: Finished("cancelled", len(sequence.completion)))

    def _wait_for_work(self) -> bool:
        """False once the engine closes."""
        with self._changed:
            while not self._closing and not self._steps.has_work():
                self._changed.wait()
            return not self._closing

    def _end_all(self, event_for: Callable[[Sequence], Finished | Failed]) -> None:
        with self._changed:
            self._closing = True  # from here on nobody is let in
        self._steps.end_all(event_for)
