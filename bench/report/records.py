"""What a run of the report leaves behind: results.json, whole enough to write every other file again."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError

from bench.bounds import Bounds
from bench.environment import Environment
from bench.errors import InvalidRun, NotWritten
from bench.outcomes import Answered, Failed, Window
from bench.report.config import Config

SCHEMA = 1
"""Counts up when what `save` writes means something else; docs/bench.md describes it."""
RESULTS = "results.json"
_KIND = "report"
_SEEDS = 10**9
_DIGITS = 6
"""Of a second: microseconds."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What a variant was; `step_bytes` are those of its weights that each token reads, where they are known."""

    name: str
    provider: str
    precision: str
    model: str
    step_bytes: int | None = None


Why = Literal[
    "no llama-server", "no GGUF", "INT8 on a GPU", "same weights", "no log-likelihoods", "no handbook", "failed"
]


@dataclass(frozen=True, slots=True)
class LeftOut:
    """What was not measured, of which variant; `detail` is another variant's name, or what an error said."""

    variant: str
    what: str
    """A set of questions; empty where it is the whole variant."""
    why: Why
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Measured:
    """
    One variant under one load in one repeat.

    Memory is that of the server's processes at the end, and the most that was seen meanwhile; None where the server is
    not on this machine, or is no process that was named. Where `whole` is False the run was stopped meanwhile.
    """

    repeat: int
    variant: str
    scenario: str
    window: Window
    metered: bool
    """CPU-seconds of the window are those of the server; else they are nothing."""
    resident_bytes: int | None
    peak_bytes: int | None
    gpu_bytes: int | None
    load_average: float
    whole: bool = True


@dataclass(frozen=True, slots=True)
class Question:
    """One question of a set, and whether it was answered rightly."""

    id: str
    right: bool


@dataclass(frozen=True, slots=True)
class Judged:
    """
    How one variant answered one set; `unanswered` of the questions got no answer at all, which is not right.

    Where `whole` is False the run was stopped meanwhile, and more would follow.
    """

    variant: str
    set: str
    kind: Literal["choices", "handbook"]
    questions: tuple[Question, ...]
    unanswered: int = 0
    whole: bool = True


@dataclass(frozen=True, slots=True)
class Run:
    """`complete` is False where the run was stopped or has failed; what it measured until then is here."""

    name: str
    started_at: str
    ended_at: str
    complete: bool
    command: str
    """With which it can be done again."""
    config_text: str
    """As it was written; empty where it came from a command line."""
    config: Config
    environment: Environment
    bounds: Bounds | None
    variants: tuple[Facts, ...]
    left_out: tuple[LeftOut, ...]
    loading: Literal["together", "apart"]
    measured: tuple[Measured, ...]
    judged: tuple[Judged, ...]
    asked: str = ""
    """A digest of the prompts' file and of the questions; see `bench.report.preparing`."""
    without_ignore_eos: tuple[str, ...] = ()
    """Variants that were not told to answer in full length."""
    benchmark: Literal["report"] = "report"
    schema: int = SCHEMA

    @property
    def base(self) -> str:
        """The variant that others are compared with: the first that was measured where the baseline was not."""
        names = [one.name for one in self.variants]
        return self.config.base if self.config.base in names or not names else names[0]

    @property
    def others(self) -> tuple[str, ...]:
        return tuple(one.name for one in self.variants if one.name != self.base)

    def facts(self, variant: str) -> Facts:
        return next(one for one in self.variants if one.name == variant)

    def of(self, variant: str, scenario: str) -> tuple[Measured, ...]:
        """By repeat; those in which nothing came back are left out."""
        found = [one for one in self.measured if (one.variant, one.scenario) == (variant, scenario)]
        return tuple(sorted((one for one in found if one.window.outcomes), key=lambda one: one.repeat))

    def answers(self, variant: str, scenario: str) -> list[Answered]:
        """Of all repeats."""
        return [answer for one in self.of(variant, scenario) for answer in one.window.answered]

    def failures(self, variant: str, scenario: str | None = None) -> list[Failed]:
        """Of one scenario, or of all."""
        names = [one.name for one in self.config.scenarios] if scenario is None else [scenario]
        return [failed for name in names for one in self.of(variant, name) for failed in one.window.failed]

    def requests(self, variant: str) -> int:
        """How many came to an end, well or not."""
        return sum(len(one.window.outcomes) for one in self.measured if one.variant == variant)

    def scenarios(self) -> Iterator[str]:
        """Those of which something was measured, in the order of the configuration."""
        for scenario in self.config.scenarios:
            if any(self.of(one.name, scenario.name) for one in self.variants):
                yield scenario.name


def save(run: Run, folder: Path) -> None:
    """
    Written whole or not at all: a run may be stopped at any time.

    Raises:
        NotWritten: the disk is full, say; what was saved before is still there.
    """
    fresh = folder / f"{RESULTS}.fresh"
    try:
        fresh.write_text(json.dumps(_plain(run), ensure_ascii=False), encoding="utf-8")
        fresh.replace(folder / RESULTS)
    except OSError as error:
        with suppress(OSError):
            fresh.unlink(missing_ok=True)
        raise NotWritten(
            f"{folder / RESULTS} cannot be written ({error.strerror}): mend that, and the same command with "
            f"--out {folder} goes on with what was saved before"
        ) from error


def read_run(path: Path) -> Run:
    """
    `path` is the folder of a run, or its results.json.

    Raises:
        InvalidRun: it is no run of the report, or of another version of it.
    """
    file = path / RESULTS if path.is_dir() else path
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InvalidRun(f"{file} cannot be read: {error}") from error
    if not isinstance(found, dict) or found.get("benchmark") != _KIND:
        raise InvalidRun(f"{file} is of no `larkwise bench --config` or `larkwise bench http`")
    if found.get("schema") != SCHEMA:
        raise InvalidRun(f"{file} has schema {found.get('schema')}, and this version reads {SCHEMA}")
    try:
        return TypeAdapter(Run).validate_python(found)
    except ValidationError as error:
        raise InvalidRun(f"{file} is damaged: {error}") from error


def seeded(config: Config, folder: Path | None) -> Config:
    """With a seed where it has none: that of the run in this folder, which may go on, or another one each time."""
    if config.prompts.seed is not None:
        return config
    going_on = folder is not None and (folder / RESULTS).exists()
    seed = read_run(folder).config.prompts.seed if folder and going_on else time.time_ns() // 1_000_000 % _SEEDS
    return config.model_copy(update={"prompts": config.prompts.model_copy(update={"seed": seed})})


def _plain(run: Run) -> dict[str, Any]:
    """`asdict` leaves pydantic's own models alone. What was asked for stays exact: a run goes on only with the same."""
    values = {**asdict(run), "config": run.config.model_dump(mode="json")}
    return values | {key: _rounded(values[key]) for key in ("measured", "bounds")}


def _rounded(value: Any) -> Any:
    match value:
        case float():
            return round(value, _DIGITS)
        case dict():
            return {key: _rounded(inner) for key, inner in value.items()}
        case list() | tuple():
            return [_rounded(inner) for inner in value]
    return value
