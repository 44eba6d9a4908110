"""larkwise ingest: documents into a collection."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from app.cli_terminal import CollectionOption, JsonOption, err, print_json, progress_bar
from app.services import open_collections, open_weights, splitter_settings
from app.settings import Settings, load_settings
from ingest import pipeline
from ingest.documents import IngestReport
from ingest.files import list_files
from ingest.loaders.table import readable_kinds

PathArguments = Annotated[list[Path], typer.Argument(help=f"Files and folders: {readable_kinds()}")]


def ingest(paths: PathArguments, collection: CollectionOption = "default", as_json: JsonOption = False) -> None:
    """Read documents into a collection; only what is new or has changed is worked on."""
    report = ingest_paths(load_settings(), paths, collection)
    if as_json:
        print_json(dataclasses.asdict(report))
    _summary(report)
    if report.failed:
        raise typer.Exit(1)


def ingest_paths(settings: Settings, paths: Sequence[Path], collection: str) -> IngestReport:
    """
    Raises:
        IngestError: nothing could be done; a single file that cannot be read is in the report instead.
    """
    list_files(paths)  # a wrong path should be told before a model is loaded, and before a collection is made
    with progress_bar() as progress:
        weights = open_weights(settings, progress=progress)
        store = open_collections(settings, weights).create(collection)

        def report(_file: str, done: int, total: int) -> None:
            progress(f"ingesting into {collection}", done, total)

        return pipeline.ingest(store, paths, splitter=splitter_settings(settings), progress=report)


def _summary(report: IngestReport) -> None:
    parts = [
        f"{len(files)} {word}"
        for word, files in (
            ("added", report.added),
            ("changed", report.changed),
            ("unchanged", report.unchanged),
            ("removed", report.removed),
            ("failed", report.failed),
            ("skipped", report.skipped),
        )
        if files
    ]
    err.print(
        f"{report.collection}: {', '.join(parts)}; {report.chunks_written} chunks in {report.seconds:.1f} s",
        markup=False,
    )
    for refused in report.skipped:
        err.print(f"  skipped {refused.path}: {refused.reason}", markup=False)
    for refused in report.failed:
        err.print(f"  [red]failed[/] {refused.path}: ", end="")
        err.print(refused.reason, markup=False)
