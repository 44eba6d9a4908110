"""What the commands that ask a set take in the same way."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from app.cli_terminal import err
from evals.errors import InvalidSet
from evals.sets import FolderSet, HandbookSet, Question, QuestionSet, sample

SetOption = Annotated[
    Path | None, typer.Option("--set", help="A folder with queries.jsonl and corpus.jsonl; else the handbook")
]
CorpusOption = Annotated[
    Path | None, typer.Option("--corpus", help="A folder with another corpus.jsonl for these questions")
]
AskedCollectionOption = Annotated[
    str | None,
    typer.Option("--collection", "-c", help="Ask one that exists; else the set's documents are ingested"),
]
LimitOption = Annotated[int | None, typer.Option("--limit", min=1, help="So many questions, evenly from the whole set")]
OutOption = Annotated[
    Path | None, typer.Option("--out", help="What was found, one question a line; a run that was stopped goes on")
]


def set_of(folder: Path | None, corpus: Path | None) -> QuestionSet:
    return FolderSet(folder, corpus) if folder else HandbookSet()


def to_ask(asked_of: QuestionSet, limit: int | None) -> tuple[Question, ...]:
    """
    The set's questions, or so many of them; those that nobody has labelled yet are left out, and that is said.

    Raises:
        InvalidSet: it cannot be read, or nothing in it is labelled.
    """
    questions = asked_of.questions
    labelled = [one for one in questions if one.is_labelled]
    if len(labelled) < len(questions):
        sentence = f"{len(questions) - len(labelled)} of {len(questions)} questions are not labelled yet: {_HOW}"
        if not labelled:
            raise InvalidSet(sentence)
        err.print(f"left out: {sentence}", markup=False)
    return sample(labelled, limit)


_HOW = 'write into "answers" what a right answer holds, or set "answerable" to false'
