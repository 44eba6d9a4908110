"""The words between an engine and those who ask it: a request, its events, and the port."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeAlias

FinishReason: TypeAlias = Literal["stop", "length", "cancelled"]
Phase: TypeAlias = Literal["waiting", "first token", "whole answer"]
Outcome: TypeAlias = Literal["stop", "length", "cancelled", "timeout", "failed"]


@dataclass(frozen=True, slots=True)
class CompletionRequest:
    """
    What one completion needs; `prompt_ids` is never empty.

    `temperature` 0 means greedy. `top_p` keeps the smallest set of tokens whose probability reaches it
    (nucleus sampling, Holtzman et al., 2020). The same `seed` gives the same completion on the same
    machine. Requests of one `user` take turns with those of others.

    Seconds: `queue_timeout_s` from submission until work on it begins, `first_token_timeout_s` from there to
    the first token, `timeout_s` from submission to the last one; None is without end.
    """

    prompt_ids: tuple[int, ...]
    max_tokens: int
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int | None = None
    stop_ids: frozenset[int] = field(default_factory=frozenset)
    user: str = ""
    queue_timeout_s: float | None = None
    first_token_timeout_s: float | None = None
    timeout_s: float | None = None


@dataclass(frozen=True, slots=True)
class Token:
    """The next token, already chosen; `log_probability` is the model's own, whatever the temperature."""

    id: int
    log_probability: float = 0.0


@dataclass(frozen=True, slots=True)
class Finished:
    """Nothing follows; the token of a stop is not among the tokens that were sent."""

    reason: FinishReason
    completion_tokens: int


@dataclass(frozen=True, slots=True)
class TimedOut:
    """One of the request's limits is over; nothing follows."""

    phase: Phase
    completion_tokens: int


@dataclass(frozen=True, slots=True)
class Failed:
    """The model raised; nothing follows."""

    error: Exception


Event: TypeAlias = Token | Finished | TimedOut | Failed


class Ticket(Protocol):
    """The hold that a caller keeps on a request that it has submitted."""

    def cancel(self) -> None:
        """Stop within one step; safe at any time, from any thread, more than once."""


@dataclass(frozen=True, slots=True)
class EngineLoad:
    """How busy an engine is at this moment, and how busy it may become; `prefix_bytes` is what its cache holds."""

    waiting: int
    max_waiting: int
    running: int
    max_running: int
    tokens_in_flight: int
    max_tokens_in_flight: int
    prefix_bytes: int


@dataclass(frozen=True, slots=True)
class StepFacts:
    """One step of the model: tokens of prompts that it read, and tokens that it wrote for so many requests."""

    seconds: float
    prompt_tokens: int
    completion_tokens: int
    requests: int


@dataclass(frozen=True, slots=True)
class RequestFacts:
    """One request, now ended; `cached_tokens` of its prompt needed no work. Seconds from submission."""

    outcome: Outcome
    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int
    waiting_s: float
    first_token_s: float | None
    total_s: float


class Observer(Protocol):
    """Is told what an engine does, from the engine's thread; must not block or raise."""

    def stepped(self, facts: StepFacts) -> None: ...

    def ended(self, facts: RequestFacts) -> None: ...


class NobodyWatches:
    """An observer that keeps nothing."""

    def stepped(self, facts: StepFacts) -> None:
        """Nothing."""

    def ended(self, facts: RequestFacts) -> None:
        """Nothing."""


class Engine(Protocol):
    """
    Runs completions over one model.

    Whoever opens an engine closes it; `close` cancels what is running and returns when the model is idle.
    """

    def submit(self, request: CompletionRequest, on_event: Callable[[Event], None]) -> Ticket:
        """
        Queue a request; `on_event` is called from the engine's thread, in order, and must not block.

        Every request ends with exactly one `Finished`, `TimedOut` or `Failed`.

        Raises:
            QueueFull: as many requests wait as may wait.
            RequestTooLarge: it alone needs more than all the memory that the engine may use.
            CompletionCancelled: the engine is closed.
        """

    def load(self) -> EngineLoad: ...

    def is_alive(self) -> bool:
        """Whether requests are still being worked on."""

    def close(self) -> None: ...
