"""larkwise collections: the sets of documents."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from app.cli_terminal import JsonOption, err, out, print_json, progress_bar
from app.originals import Originals
from app.services import open_collections, open_embedder, open_embeddings, open_weights
from app.settings import load_settings
from ingest.collections import CollectionFacts, CollectionSet
from ingest.errors import CollectionError

collections = typer.Typer(
    help="Sets of documents: list, describe, copy, verify, repair, back up, delete …", no_args_is_help=True
)
NameArgument = Annotated[str, typer.Argument(help="The collection")]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask")]


def _open() -> CollectionSet:
    settings = load_settings()
    return open_collections(settings, open_weights(settings))


@collections.command(name="list")
def list_collections(as_json: JsonOption = False) -> None:
    """Every collection with its size."""
    facts, unusable = _described(_open())
    if as_json:
        print_json({"collections": [dataclasses.asdict(one) for one in facts], "unusable": unusable})
    else:
        table = Table("name", "documents", "chunks", "size", "embedding", box=None)
        for one in facts:
            table.add_row(one.name, f"{one.documents:,}", f"{one.chunks:,}", size(one.bytes), one.embedding)
        out.print(table)
    for reason in unusable.values():
        err.print(reason, style="red", markup=False)
    if unusable:
        raise typer.Exit(1)


def _described(opened: CollectionSet) -> tuple[list[CollectionFacts], dict[str, str]]:
    """Those that can be used, and what is wrong with the others."""
    facts, unusable = [], {}
    for name in opened.names():
        try:
            facts.append(opened.describe(name))
        except CollectionError as error:
            unusable[name] = str(error)
    return facts, unusable


@collections.command()
def describe(name: NameArgument, as_json: JsonOption = False) -> None:
    """A collection's manifest: model, splitter, counts, generation, size."""
    facts = dataclasses.asdict(_open().describe(name))
    if as_json:
        print_json(facts)
        return
    table = Table(box=None, show_header=False)
    for what, value in facts.items():
        shown = size(value) if what == "bytes" else "" if value is None else str(value)
        table.add_row(what.replace("_", " "), shown)
    out.print(table)


@collections.command()
def create(name: NameArgument) -> None:
    """An empty collection; ingesting into a name that is not there makes it too."""
    opened = _open()
    if opened.exists(name):
        err.print(f"{name} is there already", markup=False)
    opened.create(name)
    err.print(f"{name} is there: `larkwise ingest PATH --collection {name}` fills it", markup=False)


@collections.command()
def delete(name: NameArgument, yes: YesOption = False) -> None:
    """Delete a collection's index, and what was uploaded into it; other documents stay where they are."""
    opened = _open()
    if opened.exists(name) and not yes:
        typer.confirm(f"Delete the index of {name!r}?", abort=True, err=True)
    opened.delete(name)
    Originals(load_settings().data_dir).remove_collection(name)
    err.print(f"{name} is deleted", markup=False)


@collections.command()
def copy(name: NameArgument, new: Annotated[str, typer.Argument(help="The copy's name")]) -> None:
    """A second collection with the same content, to try something on."""
    _open().copy(name, new)
    err.print(f"{name} is copied to {new}", markup=False)


@collections.command()
def verify(name: NameArgument, as_json: JsonOption = False) -> None:
    """Prove that a collection is whole: checksums, chunks, vectors. Exit code 1 where it is not."""
    faults = _open().verify(name)
    if as_json:
        print_json({"collection": name, "faults": faults})
    for fault in faults:
        err.print(fault, style="red", markup=False)
    if faults:
        err.print(f"`larkwise collections repair {name}` mends what can be mended", markup=False)
        raise typer.Exit(1)
    err.print(f"{name} is whole", markup=False)


@collections.command()
def repair(name: NameArgument, as_json: JsonOption = False) -> None:
    """Make vectors and indexes again from the texts where their files are damaged or gone."""
    with progress_bar() as progress:
        repaired = _open().repair(name, progress=progress)
    if as_json:
        print_json({"collection": name, **dataclasses.asdict(repaired)})
    err.print(
        f"{name}: {len(repaired.segments)} damaged files left out, {len(repaired.indexes)} indexes built, "
        f"{repaired.chunks} chunks embedded again",
        markup=False,
    )


@collections.command()
def reembed(name: NameArgument) -> None:
    """
    New vectors for all chunks with the model that LARKWISE_EMBEDDING_MODEL names now.

    The old ones are searched until the last is made. A service that runs with the old model then says so: restart it
    with the new one.
    """
    settings = load_settings()
    with progress_bar() as progress:
        weights = open_weights(settings, progress=progress)
        opened = open_collections(settings, weights)
        embedder = open_embedder(settings, open_embeddings(settings.embedding_model, weights))
        opened.reembed(name, embedder=embedder, progress=progress)
    err.print(f"{name} is embedded with {settings.embedding_model}", markup=False)


@collections.command()
def backup(name: NameArgument, file: Annotated[Path, typer.Argument(help="The file to write")]) -> None:
    """Everything of a collection in one file; searches go on meanwhile."""
    written = _open().backup(name, file)
    err.print(f"{name} is in {file} ({size(written)})", markup=False)


@collections.command()
def restore(
    file: Annotated[Path, typer.Argument(help="What `backup` wrote", exists=True, dir_okay=False)],
    name: NameArgument,
) -> None:
    """A collection from a backup; it is checked first, and nothing that is there is replaced."""
    _open().restore(file, name)
    err.print(f"{name} is restored from {file}", markup=False)


def size(count: int | None) -> str:
    """Bytes for people; nothing where nobody knows."""
    if count is None:
        return ""
    amount = float(count)
    for unit in ("B", "KB", "MB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}"
        amount /= 1000
    return f"{amount:.1f} GB"
