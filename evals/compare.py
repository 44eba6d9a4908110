"""Two runs on the same questions: `larkwise eval compare BEFORE.jsonl AFTER.jsonl`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from app.cli_terminal import JsonOption, out, print_json, say_error
from evals import compare_answers, compare_retrieval
from evals.compare_answers import Comparison
from evals.compare_retrieval import RetrievalComparison
from evals.errors import EvalError, NothingToCompare
from evals.records import ANSWERS
from evals.retrieval_records import RETRIEVAL
from evals.runs import kind_of, read


def compare(
    before: Annotated[
        Path, typer.Argument(help="What `eval answers --out` or `eval retrieval --out` wrote; the one to be as good as")
    ],
    after: Annotated[Path, typer.Argument(help="… of the change")],
    max_loss: Annotated[
        float | None,
        typer.Option(help="Exit with 1 where the bound of the loss of right answers, or of recall@1, is more points"),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """What a change cost or brought, question by question; before and after may be two models or settings."""
    try:
        found = compared(before, after)
    except EvalError as error:
        say_error(str(error))
        raise typer.Exit(1) from error
    if as_json:
        print_json(found.as_json())
    else:
        out.print(found.table(), markup=False)
    if max_loss is not None and (loss := found.deciding) and loss.loss_bound > max_loss:
        say_error(f"up to {loss.loss_bound:.1f} points may be lost, and {max_loss:g} were allowed")
        raise typer.Exit(1)


def compared(before: Path, after: Path) -> Comparison | RetrievalComparison:
    """
    Raises:
        InvalidSet: one of the files cannot be read.
        NothingToCompare: they are of different commands, or have no question in common.
    """
    kinds = kind_of(before), kind_of(after)
    if kinds == (ANSWERS.name, ANSWERS.name):
        return compare_answers.compared(read(before, ANSWERS), read(after, ANSWERS))
    if kinds == (RETRIEVAL.name, RETRIEVAL.name):
        return compare_retrieval.compared(read(before, RETRIEVAL), read(after, RETRIEVAL))
    raise NothingToCompare(f"{before} is of `eval {kinds[0]}` and {after} of `eval {kinds[1]}`: compare two of a kind")
