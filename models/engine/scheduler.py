"""Who is worked on next, and with how many tokens: no model, no threads, no clock of its own."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from models.engine.requests import CompletionRequest, Event, Finished, TimedOut
from models.errors import QueueFull, RequestTooLarge

ROW_MULTIPLE = 16
"""Steps with a prompt in them have a multiple of so many tokens: libraries make and keep a kernel for each width."""
_FIRST_PIECE = 64
"""Tokens; how long a step takes is not known before the first one."""
_LEARNING = 0.3
"""The weight of the newest step in what is believed of the model's speed."""
_ASSUMED_WAIT_S = 10.0
"""What a caller is told to wait where no request has ended yet."""


@dataclass(frozen=True, slots=True)
class EngineLimits:
    """
    What an engine may take on.

    `max_tokens_in_flight` counts prompts and the longest answers that were asked for, of all running requests.
    A long prompt is read in pieces that take about `step_s` seconds, so that running answers keep moving; a piece
    has at least `min_piece` and at most `max_piece` tokens.
    """

    max_running: int = 8
    max_waiting: int = 64
    max_tokens_in_flight: int = 16384
    prefix_cache_bytes: int = 256 * 2**20
    step_s: float = 0.6
    min_piece: int = 16
    max_piece: int = 1024


@dataclass(slots=True, eq=False)
class Sequence:
    """One request on its way: what has been read of its prompt, and what has been written."""

    request: CompletionRequest
    on_event: Callable[[Event], None]
    submitted_at: float
    admitted_at: float | None = None
    first_token_at: float | None = None
    slot: Any = None
    """The runner's own; None until work has begun."""
    cached: int = 0
    read: int = 0
    """Tokens of the prompt that need not be read any more."""
    completion: list[int] = field(default_factory=list)
    cancelled: threading.Event = field(default_factory=threading.Event)

    @property
    def reservation(self) -> int:
        """Tokens that it may come to need."""
        return len(self.request.prompt_ids) + self.request.max_tokens

    @property
    def is_reading(self) -> bool:
        return self.read < len(self.request.prompt_ids)

    def ending(self, now: float) -> Finished | TimedOut | None:
        """Why it must not go on, if it must not."""
        written, request = len(self.completion), self.request
        if self.cancelled.is_set():
            return Finished("cancelled", written)
        if _over(self.submitted_at, request.timeout_s, now):
            return TimedOut("whole answer", written)
        if self.admitted_at is None and _over(self.submitted_at, request.queue_timeout_s, now):
            return TimedOut("waiting", written)
        if self.first_token_at is None and _over(self.admitted_at, request.first_token_timeout_s, now):
            return TimedOut("first token", written)
        return None


def _over(since: float | None, seconds: float | None, now: float) -> bool:
    return since is not None and seconds is not None and now - since > seconds


@dataclass(frozen=True, slots=True)
class Read:
    """Read `tokens` of the prompt, from where the sequence stands."""

    sequence: Sequence
    tokens: int


@dataclass(frozen=True, slots=True)
class Write:
    """Read the token that was written last, and write the next one."""

    sequence: Sequence


Piece: TypeAlias = Read | Write


class Scheduler:
    """
    Keeps who waits and who runs.

    Users take turns: the next request is of the user who has the fewest running, among those the one who was
    served longest ago. One prompt is read at a time, first come first served, so that the next one can use what
    the first has in common with it; all running answers grow by one token in each step.

    Not thread-safe: its engine holds a lock.
    """

    def __init__(self, limits: EngineLimits) -> None:
        self._limits = limits
        self._waiting: dict[str, deque[Sequence]] = {}
        self._served: dict[str, int] = {}
        self._turn = 0
        self.running: list[Sequence] = []
        self._prompt_tokens_per_s: float | None = None
        self._seconds_per_request: float | None = None

    @property
    def waiting(self) -> int:
        return sum(len(line) for line in self._waiting.values())

    @property
    def tokens_in_flight(self) -> int:
        return sum(sequence.reservation for sequence in self.running)

    def add(self, sequence: Sequence) -> None:
        """
        Put a request at the end of its user's line.

        Raises:
            QueueFull: too many wait. A user of whom nobody waits yet gets in all the same, up to as many again:
                one user's flood must not lock the others out.
            RequestTooLarge: it would not fit even alone.
        """
        limits = self._limits
        if sequence.reservation > limits.max_tokens_in_flight:
            raise RequestTooLarge(
                f"prompt and answer need {sequence.reservation} tokens, and at most {limits.max_tokens_in_flight} can "
                "be worked on at once: shorten the prompt, lower max_tokens, or raise LARKWISE_LLM_MAX_TOKENS_IN_FLIGHT"
            )
        line = self._waiting.get(sequence.request.user)
        if self.waiting >= limits.max_waiting * (1 if line else 2):
            raise QueueFull(self.waiting, retry_after_s=self._expected_wait_s())
        self._waiting.setdefault(sequence.request.user, deque()).append(sequence)

    def admit(self, now: float) -> Sequence | None:
        """Begin work on the request whose turn it is, where there is room for it."""
        if not self._waiting or len(self.running) >= self._limits.max_running:
            return None
        if any(sequence.is_reading for sequence in self.running):
            return None
        user = min(self._waiting, key=self._rank)
        sequence = self._waiting[user][0]
        # a large request is waited for rather than passed over, or small ones could keep it out for ever
        if self.tokens_in_flight + sequence.reservation > self._limits.max_tokens_in_flight:
            return None
        self._leave_line(sequence)
        self._turn += 1
        self._served[user] = self._turn
        sequence.admitted_at = now
        self.running.append(sequence)
        return sequence

    def plan(self) -> tuple[Piece, ...]:
        """The next step: a token for every answer, and a piece of the prompt that is being read."""
        return tuple(self._pieces())

    def ending(self, now: float) -> list[tuple[Sequence, Finished | TimedOut]]:
        """Everyone who must not go on, running or waiting, and why."""
        return [(sequence, why) for sequence in self if (why := sequence.ending(now)) is not None]

    def remove(self, sequence: Sequence, now: float) -> None:
        """Forget a request, running or waiting."""
        if sequence.admitted_at is None:
            self._leave_line(sequence)
            return
        self.running.remove(sequence)
        self._seconds_per_request = _learned(self._seconds_per_request, now - sequence.admitted_at)
        self._forget_idle_users()

    def took(self, prompt_tokens: int, seconds: float) -> None:
        """Learn from a step how many prompt tokens fit into one."""
        if prompt_tokens >= self._limits.min_piece and seconds > 0:
            self._prompt_tokens_per_s = _learned(self._prompt_tokens_per_s, prompt_tokens / seconds)

    def __iter__(self) -> Iterator[Sequence]:
        yield from self.running
        for line in self._waiting.values():
            yield from line

    def _pieces(self) -> Iterable[Piece]:
        writing = [sequence for sequence in self.running if not sequence.is_reading]
        yield from map(Write, writing)
        for sequence in self.running:
            if sequence.is_reading:
                left = len(sequence.request.prompt_ids) - sequence.read
                yield Read(sequence, min(self._piece(beside=len(writing)), left))

    def _piece(self, *, beside: int) -> int:
        speed, limits = self._prompt_tokens_per_s, self._limits
        wanted = _FIRST_PIECE if speed is None else int(speed * limits.step_s)
        wanted = min(wanted, limits.max_piece)
        return max(limits.min_piece, wanted - (wanted + beside) % ROW_MULTIPLE)

    def _rank(self, user: str) -> tuple[int, int]:
        running = sum(sequence.request.user == user for sequence in self.running)
        return running, self._served.get(user, 0)

    def _expected_wait_s(self) -> float:
        """Until one of those who wait now has been served, at the speed of the last requests."""
        seconds = self._seconds_per_request or _ASSUMED_WAIT_S
        return max(1.0, seconds / max(1, len(self.running)))

    def _leave_line(self, sequence: Sequence) -> None:
        user = sequence.request.user
        self._waiting[user].remove(sequence)
        if not self._waiting[user]:
            del self._waiting[user]

    def _forget_idle_users(self) -> None:
        busy = {sequence.request.user for sequence in self}
        self._served = {user: turn for user, turn in self._served.items() if user in busy}


def _learned(before: float | None, seen: float) -> float:
    return seen if before is None else (1 - _LEARNING) * before + _LEARNING * seen
