"""The command line: `larkwise`. Exit codes: 0 done, 1 failed, 2 usage."""

from __future__ import annotations

import sys

import typer

from app.cli_ask import ask, search
from app.cli_collections import collections
from app.cli_ingest import ingest
from app.cli_models import models
from app.cli_serve import doctor, serve
from app.cli_terminal import say_error
from app.database import DatabaseUnavailable
from app.settings import SettingsError
from chains.errors import ChainError
from ingest.errors import IngestError
from models.errors import ModelError

cli = typer.Typer(
    name="larkwise",
    help="Answers questions from your documents, with sources, from a model on this machine.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
cli.command()(serve)
cli.command()(ingest)
cli.command()(ask)
cli.command()(search)
cli.command()(doctor)
cli.add_typer(collections, name="collections")
cli.add_typer(models, name="models")


def main() -> None:
    """Our errors are sentences, not tracebacks."""
    try:
        cli()
    except (SettingsError, DatabaseUnavailable, IngestError, ModelError, ChainError) as error:
        say_error(str(error))
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
