"""What the requests of one measurement saw, and what they cost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias


@dataclass(frozen=True, slots=True)
class Answered:
    """
    One answer, in seconds from the moment its request was sent, or was due; `started_s` from the start of the window.

    `gaps_s` are the times between pieces of text as they arrived: a token that completes no character brings none, so
    there may be fewer of them than tokens. `cpu_*` are CPU-seconds that the server spent meanwhile, on everybody: with
    one client they are the cost of reading the prompt, and of the whole answer. `late_s` is how long after it was due
    the request was sent: more than some milliseconds, and the client itself was too busy.
    """

    label: str
    started_s: float
    first_text_s: float
    gaps_s: tuple[float, ...]
    total_s: float
    prompt_tokens: int
    completion_tokens: int
    cpu_first_text_s: float
    cpu_total_s: float
    kind: Literal["answered"] = "answered"
    late_s: float = 0.0
    tokens_told: bool | None = None
    """Whether the server said how many tokens it wrote; None in files of earlier versions, which do not say."""

    @property
    def is_counted_by_server(self) -> bool:
        """Else `completion_tokens` are pieces of text."""
        return self.prompt_tokens > 0 if self.tokens_told is None else self.tokens_told


@dataclass(frozen=True, slots=True)
class Failed:
    """One request without a whole answer."""

    label: str
    started_s: float
    total_s: float
    reason: str
    kind: Literal["failed"] = "failed"
    late_s: float = 0.0


Outcome: TypeAlias = Answered | Failed


@dataclass(frozen=True, slots=True)
class Window:
    """
    What happened between the first request and the last answer.

    `elsewhere_cpu_s` is what the machine spent on neither the server nor this client: where it is more than a small
    part of wall times cores, the machine was busy with other work, and the wall times say little. `client_cpu_s` is
    what this client spent, in one thread: where it comes near the wall time, the client was measured.
    """

    clients: int
    """In an open loop as many as there were requests, since nobody waits for another."""
    wall_s: float
    cpu_s: float
    elsewhere_cpu_s: float
    outcomes: tuple[Outcome, ...]
    client_cpu_s: float = 0.0

    @property
    def answered(self) -> tuple[Answered, ...]:
        return tuple(one for one in self.outcomes if isinstance(one, Answered))

    @property
    def failed(self) -> tuple[Failed, ...]:
        return tuple(one for one in self.outcomes if isinstance(one, Failed))
