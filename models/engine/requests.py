"""The words between an engine and those who ask it: a request, its events, and the port."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeAlias

FinishReason: TypeAlias = Literal["stop", "length", "cancelled", "timeout"]


@dataclass(frozen=True, slots=True)
class CompletionRequest:
    """
    What one completion needs; `prompt_ids` is never empty.

    `temperature` 0 means greedy. `top_p` keeps the smallest set of tokens whose probability reaches it
    (nucleus sampling, Holtzman et al., 2020). The same `seed` gives the same completion on the same
    machine. `timeout_s` counts from submission to the last token, waiting included.
    """

    prompt_ids: tuple[int, ...]
    max_tokens: int
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int | None = None
    stop_ids: frozenset[int] = field(default_factory=frozenset)
    timeout_s: float | None = None


@dataclass(frozen=True, slots=True)
class Token:
    """The next token, already chosen."""

    id: int


@dataclass(frozen=True, slots=True)
class Finished:
    """Nothing follows; the token of a stop is not among the tokens that were sent."""

    reason: FinishReason
    completion_tokens: int


@dataclass(frozen=True, slots=True)
class Failed:
    """The model raised; nothing follows."""

    error: Exception


Event: TypeAlias = Token | Finished | Failed


class Ticket(Protocol):
    """The hold that a caller keeps on a request that it has submitted."""

    def cancel(self) -> None:
        """Stop within one step; safe at any time, from any thread, more than once."""


class Engine(Protocol):
    """
    Runs completions over one model.

    Whoever opens an engine closes it; `close` cancels what is running and returns when the model is idle.
    """

    def submit(self, request: CompletionRequest, on_event: Callable[[Event], None]) -> Ticket:
        """
        Queue a request; `on_event` is called from the engine's thread, in order, and must not block.

        Every request ends with exactly one `Finished` or `Failed`.

        Raises:
            RuntimeError: the engine is closed.
        """

    def is_alive(self) -> bool:
        """Whether requests are still being worked on."""

    def close(self) -> None: ...
