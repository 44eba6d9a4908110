"""larkwise models: what there is, fetch it, check it."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Column, Table

from app.cli_terminal import JsonOption, err, out, print_json, progress_bar
from app.services import needed_models, open_weights, prepare
from app.settings import load_settings

models = typer.Typer(help="Model weights: list, pull, verify", no_args_is_help=True)
NameArguments = Annotated[
    list[str] | None,
    typer.Argument(help="Names from `larkwise models list`; those of the settings where none is given"),
]


@models.command(name="list")
def list_models(as_json: JsonOption = False) -> None:
    """Every model that is known by name, with its licence."""
    settings = load_settings()
    rows = open_weights(settings).status()
    if as_json:
        shown = {"name", "kind", "licence", "languages", "size"}
        print_json({"models": [row.entry.model_dump(include=shown) | {"state": row.state} for row in rows]})
        return
    table = Table(Column("name", no_wrap=True), "kind", "languages", "licence", "size", "state", "what it is", box=None)
    for row in rows:
        size = f"{row.entry.size / 1e6:,.0f} MB" if row.entry.size else "in its package"
        entry = row.entry
        table.add_row(entry.name, entry.kind, entry.languages, entry.licence, size, row.state, entry.summary)
    out.print(table)
    out.print(f"in {settings.cache_dir}; in use: {settings.llm_model}, {settings.embedding_model}")


@models.command()
def files(name: str) -> None:
    """The files of a model, with their sizes and hashes: what a folder for LARKWISE_WEIGHTS_FOLDER must hold."""
    for file in open_weights(load_settings()).manifest.entry(name).files:
        out.print(f"{file.sha256}  {file.size:>13,}  {name}/{file.path}", markup=False)


@models.command()
def pull(names: NameArguments = None) -> None:
    """Fetch models, check their hashes, and make them ready to load."""
    settings = load_settings()
    with progress_bar() as progress:
        weights = open_weights(settings, progress=progress)
        for name in names or needed_models(settings):
            entry = weights.manifest.find(name)
            if entry and not entry.is_free:
                err.print(f"{name}: licence: {entry.licence}", markup=False)
            where = prepare(name, settings, weights)
            err.print(f"{name} is ready in {where}", markup=False)


@models.command()
def verify(names: NameArguments = None) -> None:
    """Read every file again and compare its hash."""
    settings = load_settings()
    with progress_bar() as progress:
        weights = open_weights(settings, progress=progress)
        chosen = names or [row.entry.name for row in weights.status() if row.state != "missing"]
        for name in chosen:
            weights.verify(name)
            err.print(f"{name} is as the manifest says", markup=False)
