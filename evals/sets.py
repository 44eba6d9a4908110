"""Labelled questions with the documents that they are about: the handbook's, or a folder's."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

from pydantic import BaseModel, ValidationError

from evals.errors import InvalidSet
from evals.handbook import HANDBOOK, questions

T = TypeVar("T", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Question:
    """`answers` are strings of which a right answer holds one; `documents` are where they stand."""

    id: str
    question: str
    answerable: bool
    answers: tuple[str, ...]
    documents: tuple[str, ...]

    @property
    def is_labelled(self) -> bool:
        """It is known what should be answered; questions of `eval export-feedback` wait for a person to say so."""
        return not self.answerable or any(answer.strip() for answer in self.answers)


class QuestionSet(Protocol):
    """Questions and their documents."""

    @property
    def name(self) -> str: ...

    @property
    def questions(self) -> tuple[Question, ...]: ...

    def documents(self, scratch: Path) -> Path:
        """The folder to ingest; where there is none it is written below `scratch`."""

    def document_of(self, source: str) -> str:
        """What `Question.documents` calls the document of a chunk's `source`."""


@dataclass(frozen=True, slots=True)
class HandbookSet:
    """The example handbook, or other questions about a collection that exists already."""

    file: Path = HANDBOOK / "questions.jsonl"

    @property
    def name(self) -> str:
        return self.file.parent.name

    @property
    def questions(self) -> tuple[Question, ...]:
        return tuple(
            Question(one.id, one.question, one.answerable, tuple(one.answers), tuple(one.sources))
            for one in questions(self.file)
        )

    def documents(self, scratch: Path) -> Path:
        return self.file.parent

    def document_of(self, source: str) -> str:
        return source


class QueryLine(BaseModel):
    """A line of queries.jsonl; what else it holds is left alone."""

    id: str
    question: str
    answerable: bool
    answers: list[str]
    gold_ids: list[str]


class CorpusLine(BaseModel):
    """A line of corpus.jsonl."""

    id: str
    text: str
    title: str = ""


@dataclass(frozen=True, slots=True)
class FolderSet:
    """
    queries.jsonl (`id`, `question`, `gold_ids`, `answers`, `answerable`) and corpus.jsonl (`id`, `title`, `text`).

    The corpus may be another folder's.
    """

    folder: Path
    corpus: Path | None = None

    @property
    def name(self) -> str:
        return self.folder.resolve().name

    @property
    def questions(self) -> tuple[Question, ...]:
        return tuple(
            Question(one.id, one.question, one.answerable, tuple(one.answers), tuple(one.gold_ids))
            for one in read_lines(self.folder / "queries.jsonl", QueryLine)
        )

    def documents(self, scratch: Path) -> Path:
        """One text file each, so that they take the way that any document takes; its name is its title."""
        folder = scratch / "documents"
        for document in read_lines((self.corpus or self.folder) / "corpus.jsonl", CorpusLine):
            below = folder / document.id
            below.mkdir(parents=True, exist_ok=True)
            (below / f"{_file_name(document.title) or document.id}.txt").write_text(document.text, encoding="utf-8")
        return folder

    def document_of(self, source: str) -> str:
        return source.partition("/")[0]


def sample(asked: Sequence[Question], limit: int | None) -> tuple[Question, ...]:
    """So many of them, evenly from the whole: the first ones may all be about one document."""
    if limit is None or limit >= len(asked):
        return tuple(asked)
    return tuple(asked[number * len(asked) // limit] for number in range(limit))


def read_lines(file: Path, shape: type[T]) -> Iterator[T]:
    """
    A set's file, line by line; empty ones, which an editor may leave at the end, are none.

    Raises:
        InvalidSet: it cannot be read; the message names the line.
    """
    try:
        with file.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    yield _line(file, number, line, shape)
    except OSError as error:
        raise InvalidSet(
            f"{file} cannot be read ({error.strerror}): a set has queries.jsonl and corpus.jsonl"
        ) from error


def _line(file: Path, number: int, line: str, shape: type[T]) -> T:
    try:
        value: Any = json.loads(line)
        return shape.model_validate(value)
    except (ValueError, ValidationError) as error:
        raise InvalidSet(f"{file}, line {number}: {error}") from error


def _file_name(title: str) -> str:
    """What every file system takes; without a dot before it, which would hide the file."""
    return title.replace("/", "∕").replace("\0", "").strip().lstrip(".")[:60].strip()
