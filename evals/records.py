"""Answers to labelled questions in a file: one a line, so that a run that was stopped can go on."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from evals.errors import InvalidSet, OtherRun


class RunFacts(BaseModel):
    """The first line: what the answers depend on. A run goes on only where all of it is the same."""

    model_config = ConfigDict(frozen=True)

    set: str
    questions: int
    provider: str
    model: str
    quantization: str
    embedding: str
    collection: str


class Record(BaseModel):
    """One answer, and what should have been answered; `contains`, `exact` and `f1` as `evals.scores.Score`."""

    model_config = ConfigDict(frozen=True)

    id: str
    question: str
    answerable: bool
    golds: list[str]
    answer: str
    refused: bool
    contains: bool
    exact: bool
    f1: float
    confidence: float
    cited: bool
    cited_right: bool
    """It cites one of the documents that hold the answer."""
    seconds: float

    @property
    def right(self) -> bool:
        """It says what it should, or refuses what the documents do not answer."""
        return self.contains if self.answerable else self.refused


def begin(file: Path, facts: RunFacts) -> list[Record]:
    """
    What the file holds already; a new one is begun with the run's facts.

    Raises:
        OtherRun: it is another run's.
    """
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(facts.model_dump_json() + "\n", encoding="utf-8")
        return []
    found, records = read(file)
    if found != facts:
        differs = [name for name in RunFacts.model_fields if getattr(found, name) != getattr(facts, name)]
        raise OtherRun(f"{file} was begun with another {', '.join(differs)}: give another --out, or remove it")
    text = file.read_text(encoding="utf-8")
    file.write_text(text[: text.rfind("\n") + 1], encoding="utf-8")  # what follows would be glued to a broken line
    return records


def append(file: Path, record: Record) -> None:
    with file.open("a", encoding="utf-8") as lines:
        lines.write(record.model_dump_json() + "\n")


def read(file: Path) -> tuple[RunFacts, list[Record]]:
    """
    The run's facts and its answers; a last line that was cut off, when the run was stopped, is left out.

    Raises:
        InvalidSet: it is no such file.
    """
    try:
        first, *lines, _cut_off = file.read_text(encoding="utf-8").split("\n")
        return RunFacts.model_validate_json(first), [Record.model_validate_json(line) for line in lines]
    except (OSError, ValueError, ValidationError) as error:
        raise InvalidSet(f"{file} is no file of answers that `larkwise eval answers --out` wrote: {error}") from error
