"""A step of many completions at once: who must end, who may begin, and what the model reads and writes next."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from models.engine.requests import (
    CompletionRequest,
    EngineLoad,
    Failed,
    Finished,
    Observer,
    Outcome,
    RequestFacts,
    StepFacts,
    TimedOut,
    Token,
)
from models.engine.sampling import Chosen
from models.engine.scheduler import EngineLimits, Piece, Read, Scheduler
from models.engine.scheduler import Sequence as Running

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Work:
    """Tokens for one slot, the first of them at position `start`; `wants_token` asks for the one that follows."""

    slot: Any
    ids: Sequence[int]
    start: int
    wants_token: bool


class Runner(Protocol):
    """Runs the model; once an engine has it, it is called from the engine's thread only."""

    def begin(self) -> None:
        """Called once in the engine's thread, before all else."""

    def open(self, request: CompletionRequest) -> tuple[Any, int]:
        """
        A slot with room for prompt and answer, and how many tokens of the prompt need not be read.

        Raises:
            OutOfMemory: there is no room; nothing is left behind.
        """

    def run(self, work: Sequence[Work]) -> list[Chosen | None]:
        """
        One step: for each piece of work the token that follows it, None where none was wanted.

        If it raises, the same work can be given again.
        """

    def remember(self, slot: Any, ids: Sequence[int]) -> None:
        """The slot has read `ids` from the beginning; others may use what they have in common with it."""

    def close_slot(self, slot: Any) -> None: ...

    @property
    def prefix_bytes(self) -> int: ...


class Steps:
    """
    Works on the requests that its scheduler chooses, all in one batch, over one runner; one turn after the other.

    `add`, `has_work` and `load` may be called from any thread, the rest from one.

    If the runner raises for a batch, each request of it is tried alone, and those that raise again fail.
    """

    def __init__(self, runner: Runner, *, limits: EngineLimits, observer: Observer, clock: Callable[[], float]) -> None:
        self._runner = runner
        self._limits = limits
        self._observer = observer
        self._clock = clock
        self._scheduler = Scheduler(limits)
        self._lock = threading.Lock()
        """Held while the scheduler is looked at or changed, and never while the model runs."""

    def add(self, sequence: Running) -> None:
        """
        Raises:
            QueueFull, RequestTooLarge: as `Scheduler.add`.
        """
        with self._lock:
            self._scheduler.add(sequence)

    def has_work(self) -> bool:
        with self._lock:
            return next(iter(self._scheduler), None) is not None

    def load(self) -> EngineLoad:
        limits, scheduler = self._limits, self._scheduler
        with self._lock:
            return EngineLoad(
                waiting=scheduler.waiting,
                max_waiting=limits.max_waiting,
                running=len(scheduler.running),
                max_running=limits.max_running,
                tokens_in_flight=scheduler.tokens_in_flight,
                max_tokens_in_flight=limits.max_tokens_in_flight,
                prefix_bytes=self._runner.prefix_bytes,
            )

    def turn(self) -> None:
        """End what must end, let in who fits, and make one step."""
        for sequence, why in self._ending():
            self._end(sequence, why)
        with self._lock:
            admitted = self._scheduler.admit(self._clock())
        if admitted is not None:
            self._open(admitted)
        with self._lock:
            pieces = self._scheduler.plan()
        if pieces:
            self._step(pieces)

    def end_all(self, event_for: Callable[[Running], Finished | Failed]) -> None:
        """End every request, waiting or running."""
        with self._lock:
            left = list(self._scheduler)
        for sequence in left:
            self._end(sequence, event_for(sequence))

    def _ending(self) -> list[tuple[Running, Finished | TimedOut]]:
        with self._lock:
            return self._scheduler.ending(self._clock())

    def _open(self, sequence: Running) -> None:
        try:
            sequence.slot, sequence.cached = self._runner.open(sequence.request)
        except Exception as error:
            logger.exception("a request could not be taken up")
            self._end(sequence, Failed(error))
        else:
            sequence.read = sequence.cached

    def _step(self, pieces: Sequence[Piece]) -> None:
        began = self._clock()
        work = [_work_of(piece) for piece in pieces]
        try:
            tokens = self._runner.run(work)
        except Exception as error:
            if len(pieces) == 1:
                logger.exception("a completion failed")
                self._end(pieces[0].sequence, Failed(error))
                return
            logger.warning("a step of %d requests failed (%s): each is tried alone", len(pieces), error)
            for piece in pieces:
                self._step([piece])
            return
        seconds = self._clock() - began
        read = sum(piece.tokens for piece in pieces if isinstance(piece, Read))
        with self._lock:
            self._scheduler.took(read, seconds)
        written = sum(token is not None for token in tokens)
        self._observer.stepped(StepFacts(seconds, read, written, len(pieces)))
        for piece, token in zip(pieces, tokens, strict=True):
            self._advance(piece, token)

    def _advance(self, piece: Piece, token: Chosen | None) -> None:
        sequence = piece.sequence
        if isinstance(piece, Read):
            sequence.read += piece.tokens
            if not sequence.is_reading:
                self._runner.remember(sequence.slot, sequence.request.prompt_ids)
        if token is None:
            return
        if sequence.first_token_at is None:
            sequence.first_token_at = self._clock()
        if token.id in sequence.request.stop_ids:
            self._end(sequence, Finished("stop", len(sequence.completion)))
            return
        sequence.completion.append(token.id)
        sequence.on_event(Token(token.id, token.log_probability))
        if len(sequence.completion) == sequence.request.max_tokens:
            self._end(sequence, Finished("length", len(sequence.completion)))

    def _end(self, sequence: Running, event: Finished | TimedOut | Failed) -> None:
        now = self._clock()
        if sequence.slot is not None:
            if not isinstance(event, Failed):
                # a conversation goes on from here: its next prompt begins with this one and this answer
                self._runner.remember(sequence.slot, _read_by(sequence))
            self._runner.close_slot(sequence.slot)
            sequence.slot = None
        with self._lock:
            self._scheduler.remove(sequence, now)
        self._observer.ended(_facts(sequence, event, now))
        sequence.on_event(event)


def _work_of(piece: Piece) -> Work:
    sequence = piece.sequence
    prompt = sequence.request.prompt_ids
    if isinstance(piece, Read):
        end = sequence.read + piece.tokens
        return Work(sequence.slot, prompt[sequence.read : end], sequence.read, wants_token=end == len(prompt))
    return Work(sequence.slot, sequence.completion[-1:], len(prompt) + len(sequence.completion) - 1, wants_token=True)


def _read_by(sequence: Running) -> list[int]:
    """The tokens that the model has read for a sequence; the last one written is not among them."""
    return [*sequence.request.prompt_ids[: sequence.read], *sequence.completion[:-1]]


def _facts(sequence: Running, event: Finished | TimedOut | Failed, now: float) -> RequestFacts:
    outcome: Outcome = (
        event.reason if isinstance(event, Finished) else "timeout" if isinstance(event, TimedOut) else "failed"
    )
    since = sequence.submitted_at
    return RequestFacts(
        outcome=outcome,
        prompt_tokens=len(sequence.request.prompt_ids),
        cached_tokens=sequence.cached,
        completion_tokens=len(sequence.completion),
        waiting_s=(now if sequence.admitted_at is None else sequence.admitted_at) - since,
        first_token_s=None if sequence.first_token_at is None else sequence.first_token_at - since,
        total_s=now - since,
    )
