"""The command line: `larkwise`. Exit codes: 0 done, 1 failed, 2 usage."""

from __future__ import annotations

import sys

import typer

from app.cli_ask import ask, search
from app.cli_collections import collections
from app.cli_documents import documents
from app.cli_feishu import feishu
from app.cli_ingest import ingest
from app.cli_keys import keys
from app.cli_models import models
from app.cli_plugins import Commands, CommandUnavailable, is_sentence
from app.cli_serve import doctor, serve
from app.cli_terminal import say_error
from app.keys import KeyProblem
from app.loading import EXPECTED
from app.rates import RatesUnavailable

cli = typer.Typer(
    name="larkwise",
    cls=Commands,
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
cli.add_typer(documents, name="documents")
cli.add_typer(models, name="models")
cli.add_typer(keys, name="keys")
cli.add_typer(feishu, name="feishu")

_EXPECTED = (*EXPECTED, KeyProblem, RatesUnavailable, CommandUnavailable)


def main() -> None:
    """Our errors are sentences, not tracebacks."""
    try:
        cli()
    except Exception as error:
        if not (isinstance(error, _EXPECTED) or is_sentence(error)):
            raise
        say_error(str(error))
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
