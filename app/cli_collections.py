"""larkwise collections: the sets of documents."""

from __future__ import annotations

import dataclasses
from typing import Annotated

import typer
from rich.table import Table

from app.cli_terminal import JsonOption, err, out, print_json
from app.services import open_collections, open_weights
from app.settings import load_settings
from ingest.collections import Collections

collections = typer.Typer(help="Sets of documents: list, delete", no_args_is_help=True)


def _open() -> Collections:
    settings = load_settings()
    return open_collections(settings, open_weights(settings))


@collections.command(name="list")
def list_collections(as_json: JsonOption = False) -> None:
    """Every collection with its size."""
    opened = _open()
    facts = [opened.describe(name) for name in opened.names()]
    if as_json:
        print_json({"collections": [dataclasses.asdict(one) for one in facts]})
        return
    table = Table("name", "documents", "chunks", "embedding", box=None)
    for one in facts:
        table.add_row(one.name, str(one.documents), str(one.chunks), one.embedding)
    out.print(table)


@collections.command()
def delete(name: str, yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask")] = False) -> None:
    """Delete a collection's index; your documents stay where they are."""
    opened = _open()
    if opened.exists(name) and not yes:
        typer.confirm(f"Delete the index of {name!r}?", abort=True, err=True)
    opened.delete(name)
    err.print(f"{name} is deleted", markup=False)
