"""larkwise collections: the sets of documents."""

from __future__ import annotations

import dataclasses
from typing import Annotated

import typer
from rich.table import Table

from app.cli_terminal import JsonOption, err, out, print_json
from app.services import open_collections, open_weights
from app.settings import load_settings
from ingest.collections import CollectionFacts, Collections
from ingest.errors import CollectionError

collections = typer.Typer(help="Sets of documents: list, delete", no_args_is_help=True)


def _open() -> Collections:
    settings = load_settings()
    return open_collections(settings, open_weights(settings))


@collections.command(name="list")
def list_collections(as_json: JsonOption = False) -> None:
    """Every collection with its size."""
    facts, unusable = _described(_open())
    if as_json:
        print_json({"collections": [dataclasses.asdict(one) for one in facts], "unusable": unusable})
    else:
        table = Table("name", "documents", "chunks", "embedding", box=None)
        for one in facts:
            table.add_row(one.name, str(one.documents), str(one.chunks), one.embedding)
        out.print(table)
    for reason in unusable.values():
        err.print(reason, style="red", markup=False)
    if unusable:
        raise typer.Exit(1)


def _described(opened: Collections) -> tuple[list[CollectionFacts], dict[str, str]]:
    """Those that can be used, and what is wrong with the others."""
    facts, unusable = [], {}
    for name in opened.names():
        try:
            facts.append(opened.describe(name))
        except CollectionError as error:
            unusable[name] = str(error)
    return facts, unusable


@collections.command()
def delete(name: str, yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask")] = False) -> None:
    """Delete a collection's index; your documents stay where they are."""
    opened = _open()
    if opened.exists(name) and not yes:
        typer.confirm(f"Delete the index of {name!r}?", abort=True, err=True)
    opened.delete(name)
    err.print(f"{name} is deleted", markup=False)
