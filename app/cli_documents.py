"""larkwise documents: what a collection holds."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table

from app.cli_terminal import CollectionOption, JsonOption, err, out, print_json
from app.documents import described
from app.originals import Originals
from app.services import open_collections, open_weights
from app.settings import load_settings
from ingest.collections import chosen
from ingest.stores.port import KnowledgeStore

documents = typer.Typer(help="The documents of a collection: list, show, delete", no_args_is_help=True)
DocumentArgument = Annotated[str, typer.Argument(help="A document's id, or what it is called in `documents list`")]


def _open(collection: str) -> KnowledgeStore:
    settings = load_settings()
    return open_collections(settings, open_weights(settings)).open(collection)


@documents.command(name="list")
def list_documents(collection: CollectionOption = "default", as_json: JsonOption = False) -> None:
    """Every document with its size in chunks."""
    store = _open(collection)
    counts = store.chunk_counts()
    every = [described(document, counts.get(document.id, 0)) for document in store.documents()]
    if as_json:
        print_json({"collection": collection, "documents": every})
        return
    table = Table("id", "source", "title", "chunks", "labels", box=None)
    for one in every:
        labels = " ".join(f"{name}={value}" for name, value in one["labels"].items())
        table.add_row(one["id"], "\n".join(one["sources"]), one["title"], str(one["chunks"]), labels)
    out.print(table)


@documents.command()
def show(document: DocumentArgument, collection: CollectionOption = "default", as_json: JsonOption = False) -> None:
    """What larkwise read in a document, chunk by chunk."""
    store = _open(collection)
    found = chosen(store, document)
    chunks = store.chunks_of(found.id)
    if as_json:
        texts = [{"id": chunk.id, "content": chunk.page_content, "metadata": chunk.metadata} for chunk in chunks]
        print_json(described(found, len(chunks)) | {"content": texts})
        return
    for chunk in chunks:
        out.print(f"— {chunk.metadata.get('headings') or found.title}", markup=False, style="cyan")
        out.print(chunk.page_content, markup=False)


@documents.command()
def delete(
    document: DocumentArgument,
    collection: CollectionOption = "default",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask")] = False,
) -> None:
    """
    Take a document out of a collection.

    A file stays where it is, and comes back when it is ingested again; what was uploaded is removed.
    """
    store = _open(collection)
    found = chosen(store, document)
    if not yes:
        typer.confirm(f"Take {found.source!r} out of {collection!r}?", abort=True, err=True)
    with store.writing() as change:
        change.forget.append(found.id)
    Originals(load_settings().data_dir).remove(collection, found)
    err.print(f"{found.source} is no longer in {collection}", markup=False)
