"""What a run found, one question a line, so that a run that was stopped can go on; the first line says what run."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from evals.errors import InvalidSet, OtherRun


class Facts(BaseModel):
    """The first line: what the others depend on. A run goes on only where all of it is the same."""

    model_config = ConfigDict(frozen=True)

    set: str
    questions: int
    embedding: str
    collection: str


class Line(BaseModel):
    """What was found for one question."""

    model_config = ConfigDict(frozen=True)

    id: str


F = TypeVar("F", bound=Facts)
L = TypeVar("L", bound=Line)
T = TypeVar("T", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Kind(Generic[F, L]):
    """What `larkwise eval NAME --out` writes; `facts` has the name as its field `kind`."""

    name: str
    facts: type[F]
    line: type[L]


def begin(file: Path, kind: Kind[F, L], facts: F) -> list[L]:
    """
    What the file holds already; a new one is begun with the run's facts.

    Raises:
        OtherRun: it is another run's.
        InvalidSet: it is no such file.
    """
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(facts.model_dump_json() + "\n", encoding="utf-8")
        return []
    found, lines = read(file, kind)
    if found != facts:
        differs = [name for name in type(facts).model_fields if getattr(found, name) != getattr(facts, name)]
        raise OtherRun(f"{file} was begun with another {', '.join(differs)}: give another --out, or remove it")
    text = file.read_text(encoding="utf-8")
    file.write_text(text[: text.rfind("\n") + 1], encoding="utf-8")  # what follows would be glued to a broken line
    return lines


def append(file: Path, line: Line) -> None:
    with file.open("a", encoding="utf-8") as lines:
        lines.write(line.model_dump_json() + "\n")


def read(file: Path, kind: Kind[F, L]) -> tuple[F, list[L]]:
    """
    The run's facts and its lines; a last line that was cut off, when the run was stopped, is left out.

    Raises:
        InvalidSet: it is no such file, or an earlier version wrote it.
    """
    first, *lines = _complete_lines(file)
    if (found := _kind_in(first)) != kind.name:
        raise InvalidSet(f"{file} is of `larkwise eval {found}`, and not of `larkwise eval {kind.name}`")
    facts = _parsed(first, kind.facts, f"{file}, line 1")
    return facts, [_parsed(line, kind.line, f"{file}, line {number}") for number, line in enumerate(lines, start=2)]


def kind_of(file: Path) -> str:
    """
    The name of its `Kind`.

    Raises:
        InvalidSet: it is no file of a run.
    """
    return _kind_in(_complete_lines(file)[0])


def _complete_lines(file: Path) -> Sequence[str]:
    try:
        *lines, _cut_off = file.read_text(encoding="utf-8").split("\n")
    except (OSError, ValueError) as error:
        raise InvalidSet(f"{file} cannot be read: {error}") from error
    if not lines or not isinstance(_json_of(lines[0]), dict):
        raise InvalidSet(f"{file} is nothing that `larkwise eval answers --out` or `eval retrieval --out` wrote")
    return lines


def _kind_in(first: str) -> str:
    """Answers were first, and did not say so."""
    return str(_json_of(first).get("kind", "answers"))


def _json_of(line: str) -> Any:
    try:
        return json.loads(line)
    except ValueError:
        return None


def _parsed(line: str, shape: type[T], where: str) -> T:
    try:
        return shape.model_validate_json(line)
    except ValidationError as error:
        problems = error.errors()
        if all(problem["type"] == "missing" for problem in problems):
            names = ", ".join(str(problem["loc"][-1]) for problem in problems)
            raise InvalidSet(
                f"{where}, does not say {names}: an earlier version of larkwise wrote it. Ask again, with another --out"
            ) from error
        raise InvalidSet(f"{where}, is damaged: {error}") from error
