"""A model that is a script, and a clock that is turned by hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from models.engine.requests import CompletionRequest, Event, RequestFacts, StepFacts, Token
from models.engine.sampling import Chosen
from models.engine.scheduler import EngineLimits
from models.engine.scheduler import Sequence as Running
from models.engine.steps import Steps, Work
from models.errors import OutOfMemory


class Clock:
    """Stands still until somebody turns it."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass(slots=True)
class ScriptedRunner:
    """
    Writes a prompt's last token plus one, plus two, and so on; a step takes `step_s` on the clock.

    `fails` says which work makes a step raise; `room` is how many slots it has.
    """

    clock: Clock
    step_s: float = 0.1
    room: int = 1000
    fails: Callable[[Work], bool] = lambda work: False
    cached: int = 0
    open_slots: set[int] = field(default_factory=set)
    batches: list[list[Work]] = field(default_factory=list)
    remembered: list[list[int]] = field(default_factory=list)
    _made: int = 0

    @property
    def prefix_bytes(self) -> int:
        return 0

    def begin(self) -> None:
        """Nothing."""

    def open(self, request: CompletionRequest) -> tuple[int, int]:
        if len(self.open_slots) >= self.room:
            raise OutOfMemory("no room")
        self._made += 1
        self.open_slots.add(self._made)
        return self._made, min(self.cached, len(request.prompt_ids) - 1)

    def run(self, work: Sequence[Work]) -> list[Chosen | None]:
        self.clock.now += self.step_s
        if any(self.fails(one) for one in work):
            raise RuntimeError("the model failed")
        assert all(one.slot in self.open_slots for one in work)
        self.batches.append(list(work))
        return [Chosen(one.ids[-1] + 1, -0.5) if one.wants_token else None for one in work]

    def remember(self, slot: int, ids: Sequence[int]) -> None:
        assert slot in self.open_slots
        self.remembered.append(list(ids))

    def close_slot(self, slot: int) -> None:
        self.open_slots.remove(slot)


@dataclass(slots=True)
class Notes:
    """An observer that keeps everything."""

    steps: list[StepFacts] = field(default_factory=list)
    requests: list[RequestFacts] = field(default_factory=list)

    def stepped(self, facts: StepFacts) -> None:
        self.steps.append(facts)

    def ended(self, facts: RequestFacts) -> None:
        self.requests.append(facts)


@dataclass(slots=True)
class Asked:
    """A request that was submitted, and what came of it."""

    sequence: Running
    events: list[Event]

    @property
    def tokens(self) -> list[int]:
        return [event.id for event in self.events if isinstance(event, Token)]

    @property
    def end(self) -> Event | None:
        """What ended it; None while it goes on."""
        return self.events[-1] if self.events and not isinstance(self.events[-1], Token) else None


class Bench:
    """Steps over a scripted runner, turned by hand."""

    def __init__(self, *, limits: EngineLimits | None = None, **script: object) -> None:
        self.clock = Clock()
        self.notes = Notes()
        self.runner = ScriptedRunner(self.clock, **script)  # type: ignore[arg-type]  # each test names what it needs
        self.steps = Steps(self.runner, limits=limits or EngineLimits(), observer=self.notes, clock=self.clock)

    def ask(self, prompt: int = 3, max_tokens: int = 4, **options: object) -> Asked:
        """`prompt` tokens; each test's tokens are small numbers."""
        ids = tuple(range(10, 10 + prompt))
        request = CompletionRequest(prompt_ids=ids, max_tokens=max_tokens, **options)  # type: ignore[arg-type]
        events: list[Event] = []
        asked = Asked(Running(request, events.append, submitted_at=self.clock.now), events)
        self.steps.add(asked.sequence)
        return asked

    def turn(self, times: int = 1) -> None:
        for _ in range(times):
            self.steps.turn()

    def run_dry(self) -> None:
        """Turn until nothing is left to do."""
        for _ in range(10_000):
            if not self.steps.has_work():
                return
            self.steps.turn()
        raise AssertionError("it never came to an end")
