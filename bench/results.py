"""What a run leaves behind: results.json, whole enough to compute every table again."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from pydantic import TypeAdapter, ValidationError

from bench.bounds import Bounds
from bench.environment import Environment
from bench.errors import BenchError
from bench.outcomes import Window

SCHEMA = 1
ScenarioName = Literal["one client", "many clients", "repeated prefix", "joined by others"]


@dataclass(frozen=True, slots=True)
class Plan:
    """What was to be measured; a run goes on from an earlier one only where both had the same."""

    model: str
    rounds: int
    clients: int
    prompt_tokens: int
    answer_tokens: int
    threads: int


@dataclass(frozen=True, slots=True)
class Work:
    """What an engine must do at least: bytes that it reads for every token, operations for every token of a prompt."""

    engine: str
    step_bytes: int
    prompt_token_operations: int
    gemm: Literal["bf16", "int8"]
    """The arithmetic that its matrices could use at best."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """One engine in one scenario in one round."""

    round: int
    engine: str
    scenario: ScenarioName
    window: Window
    resident_bytes: int
    load_average: float
    """Of the last minute, when it ended."""


@dataclass(frozen=True, slots=True)
class Results:
    """`complete` is False where the run was stopped; what it measured until then is here."""

    benchmark: str
    started_at: str
    complete: bool
    plan: Plan
    environment: Environment
    bounds: Bounds | None
    work: tuple[Work, ...]
    left_out: tuple[str, ...]
    """What was not measured, and why."""
    measurements: tuple[Measurement, ...]
    schema: int = SCHEMA

    def of(self, engine: str, scenario: ScenarioName) -> tuple[Measurement, ...]:
        """In order of the rounds; those in which nothing was answered are left out."""
        return tuple(
            one for one in self.measurements if (one.engine, one.scenario) == (engine, scenario) and one.window.answered
        )


def save(results: Results, path: Path) -> None:
    """Written whole or not at all: a run may be stopped at any time."""
    fresh = path.with_suffix(".fresh")
    fresh.write_text(json.dumps(asdict(results), ensure_ascii=False), encoding="utf-8")
    fresh.replace(path)


def read(path: Path) -> Results:
    """
    Raises:
        BenchError: it is no results.json, or one of another version of it.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if found.get("schema") != SCHEMA:
            raise BenchError(f"{path} has schema {found.get('schema')}, and this version reads {SCHEMA}")
        return TypeAdapter(Results).validate_python(found)
    except (OSError, ValueError, AttributeError, ValidationError) as error:
        raise BenchError(f"{path} cannot be read as results: {error}") from error
