"""larkwise eval: how good the answers are, and what is found for them."""

from __future__ import annotations

import typer

from evals.answers import answers
from evals.calibrate import calibrate
from evals.compare import compare
from evals.feedback import export_feedback
from evals.retrieval import retrieval

commands = typer.Typer(
    help="How good the answers are, on labelled questions.", no_args_is_help=True, add_completion=False
)
commands.command()(answers)
commands.command()(retrieval)
commands.command()(compare)
commands.command()(calibrate)
commands.command()(export_feedback)
