"""larkwise eval: how good the answers are."""

from __future__ import annotations

import typer

from evals.answers import answers
from evals.compare import compare

commands = typer.Typer(
    help="How good the answers are, on labelled questions.", no_args_is_help=True, add_completion=False
)
commands.command()(answers)
commands.command()(compare)
