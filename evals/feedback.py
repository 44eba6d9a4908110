"""
Answers that people marked down, as a set to label: `larkwise eval export-feedback DIR`.

A line of DIR/queries.jsonl that is there already stays as it is: somebody may have labelled it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from app.cli_terminal import JsonOption, err, out, print_json, progress_bar, say_error
from app.database import Rated, open_database
from app.services import open_collections, open_weights
from app.settings import Settings, load_settings
from evals.errors import EvalError
from evals.feedback_set import Exported, export
from ingest.errors import CollectionError
from ingest.stores.port import KnowledgeStore

_DOWN = "down"


def export_feedback(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Gets queries.jsonl and corpus.jsonl")],
    collection: Annotated[
        str | None,
        typer.Option("--collection", "-c", help="Only answers from its documents; else from all collections'"),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Write the answers that people marked down as a set; a person then says what the right ones are."""
    settings = load_settings()
    rated = asyncio.run(_rated_down(settings))
    try:
        exported = Exported(0, 0, 0, (), 0) if not rated else _export(settings, rated, folder, collection)
    except EvalError as error:
        say_error(str(error))
        raise typer.Exit(1) from error
    for document in exported.unread:
        err.print(f"the document {document} is in no collection any more: its text is not in the corpus", markup=False)
    if exported.elsewhere:
        err.print(f"{exported.elsewhere} answers rest on documents of other collections: left out", markup=False)
    if as_json:
        print_json(exported.as_json())
    else:
        out.print(_said(exported, folder), markup=False)


async def _rated_down(settings: Settings) -> list[Rated]:
    """Those that rest on documents: a chain without sources asks nothing that a set could hold."""
    database = await open_database(settings.database)
    try:
        return [one for one in await database.rated(_DOWN) if "sources" in one.output]
    finally:
        await database.close()


def _export(settings: Settings, rated: Sequence[Rated], folder: Path, collection: str | None) -> Exported:
    with _stores(settings, collection) as stores:
        return export(rated, stores, folder, only_theirs=collection is not None)


@contextmanager
def _stores(settings: Settings, collection: str | None) -> Iterator[list[KnowledgeStore]]:
    """The collection of this name; or all that can be read, and it says which cannot."""
    with progress_bar() as progress:
        collections = open_collections(settings, open_weights(settings, progress=progress))
    try:
        if collection:
            yield [collections.open(collection)]
            return
        found = []
        for name in collections.names():
            try:
                found.append(collections.open(name))
            except CollectionError as error:
                err.print(f"left out: {error}", markup=False)
        yield found
    finally:
        collections.close()


def _said(exported: Exported, folder: Path) -> str:
    if not exported.questions and not exported.known:
        return "no answer is marked down"
    return (
        f"answers that were marked down, new in {folder / 'queries.jsonl'}: {exported.questions}"
        f" ({exported.known} were there); new documents in corpus.jsonl: {exported.documents}\n"
        'Write into each line\'s "answers" what a right answer holds, and into "gold_ids" where it stands; or set'
        ' "answerable" to false.\n'
        f"Then: larkwise eval answers --set {folder}"
    )
