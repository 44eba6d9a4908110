"""larkwise ingest: documents into a collection."""

from __future__ import annotations

import dataclasses
import re
import signal
import threading
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import datetime
from functools import reduce
from pathlib import Path
from typing import Annotated, Any

import typer

from app.cli_terminal import CollectionOption, JsonOption, err, print_json, progress_bar
from app.ingestion import Ingestion, Wishes, feishu_listings, web_listing
from app.labels import InvalidLabels, check_name
from app.settings import Settings, load_settings
from ingest.documents import IngestReport
from ingest.errors import IngestError
from ingest.files import list_files
from ingest.loaders.table import readable_kinds

PathArguments = Annotated[
    list[str],
    typer.Argument(help=f"Files, folders and web addresses: {readable_kinds()}; or `feishu` with --space or --folder"),
]
_FEISHU = "feishu"
_ID = re.compile(r"[A-Za-z0-9_-]{3,100}")
_SHOWN_FILES = 40
_KINDS = ("added", "changed", "renamed", "duplicates", "unchanged", "missing", "removed")


def ingest(
    paths: PathArguments,
    collection: CollectionOption = "default",
    prune: Annotated[bool, typer.Option("--prune", help="Remove what is gone from these folders")] = False,
    label: Annotated[
        list[str] | None, typer.Option("--label", "-l", help="NAME=VALUE for every document; searches filter by it")
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Go on, and follow every change (with --prune)")] = False,
    depth: Annotated[int, typer.Option(min=0, max=20, help="Of a web page: how many links to follow from it")] = 0,
    pages: Annotated[int, typer.Option(min=1, max=100_000, help="Of a web page: at most so many")] = 200,
    space: Annotated[
        list[str] | None, typer.Option(help="Of Feishu: a wiki space, by its number or the address of its settings")
    ] = None,
    folder: Annotated[list[str] | None, typer.Option(help="Of Feishu: a folder, by its token or its address")] = None,
    as_json: JsonOption = False,
) -> None:
    """Read documents into a collection; only what is new or has changed is worked on."""
    settings = load_settings()
    spaces, folders = [_space(one) for one in space or []], [_token(one, "--folder") for one in folder or []]
    _check_feishu(paths, bool(spaces or folders))
    urls = [path for path in paths if path.startswith(("http://", "https://"))]
    places = [Path(path) for path in paths if path not in urls]
    wishes = Wishes(labels=_labels(label or []), prune=prune or watch)
    if watch and (urls or spaces or folders):
        raise typer.BadParameter("only files and folders can be followed", param_hint="--watch")
    if watch:
        _follow(settings, places, collection, wishes, as_json=as_json)
        return
    with progress_bar() as progress, ExitStack() as while_read:
        if spaces or folders:
            listings = while_read.enter_context(feishu_listings(settings, spaces=spaces, folders=folders))
        else:
            listings = [list_files(places).listing()] if places else []
            listings += [web_listing(settings, url, depth=depth, pages=pages, progress=_quiet) for url in urls]
        ingestion = Ingestion(settings, progress=progress)
        report = reduce(IngestReport.then, (ingestion.run(one, collection, wishes) for one in listings))
    show(report, as_json=as_json)
    if report.failed:
        raise typer.Exit(1)


def _check_feishu(paths: Sequence[str], is_named: bool) -> None:
    """A folder that is called `feishu` is a folder like any other, unless something of Feishu is named."""
    if is_named and list(paths) != [_FEISHU]:
        raise typer.BadParameter(
            "they are for documents of Feishu: larkwise ingest feishu --space …", param_hint="--space / --folder"
        )
    if not is_named and list(paths) == [_FEISHU] and not Path(_FEISHU).exists():
        raise typer.BadParameter("say what of Feishu: --space NUMBER or --folder TOKEN", param_hint=_FEISHU)


def _space(given: str) -> str:
    """The number of a wiki space."""
    number = _token(given, "--space")
    if not number.isdecimal():
        raise typer.BadParameter(
            f"{given!r} is no wiki space: its number is in the address of the wiki's settings", param_hint="--space"
        )
    return number


def _token(given: str, option: str) -> str:
    """The last part of an address, or what is given."""
    token = given.partition("?")[0].rstrip("/").rpartition("/")[2]
    if not _ID.fullmatch(token):
        raise typer.BadParameter(f"{given!r} is no token of Feishu, and no address with one", param_hint=option)
    return token


def _quiet(_what: str, _done: int, _total: int) -> None:
    """The pipeline tells of each page when it has come."""


def _follow(settings: Settings, paths: Sequence[Path], collection: str, wishes: Wishes, *, as_json: bool) -> None:
    from ingest.watching import follow

    list_files(paths)
    with progress_bar() as progress:
        ingestion = Ingestion(settings, progress=progress)

    def once() -> None:
        with progress_bar() as bar:
            ingestion.progress = bar
            report = ingestion.run(list_files(paths).listing(), collection, wishes)
        if _has_news(report):
            err.print(f"{datetime.now():%H:%M:%S} ", end="")  # noqa: DTZ005 - for the person at this machine
            show(report, as_json=as_json)

    def failed(error: IngestError) -> None:
        err.print(f"{error}; it is tried again at the next change", style="red", markup=False)

    # a shell starts what runs in the background deaf to Ctrl-C, and service managers say SIGTERM; commits are whole
    for ending in (signal.SIGINT, signal.SIGTERM):
        signal.signal(ending, signal.default_int_handler)
    err.print(f"following {', '.join(map(str, paths))}; Ctrl-C ends", markup=False)
    follow(paths, once, stop=threading.Event(), failed=failed)


def _has_news(report: IngestReport) -> bool:
    return any(getattr(report, kind) for kind in (*_KINDS, "failed") if kind not in ("unchanged", "missing"))


def _labels(given: Sequence[str]) -> dict[str, Any]:
    """NAME=VALUE; a name that is given twice has both values."""
    labels: dict[str, list[str]] = {}
    for one in given:
        name, equals, value = one.partition("=")
        if not (name.isidentifier() and equals and value):
            raise typer.BadParameter(f"{one!r} is no NAME=VALUE", param_hint="--label")
        try:
            check_name(name)
        except InvalidLabels as error:
            raise typer.BadParameter(str(error), param_hint="--label") from error
        labels.setdefault(name, []).append(value)
    return {name: values if len(values) > 1 else values[0] for name, values in labels.items()}


def show(report: IngestReport, *, as_json: bool) -> None:
    """What happened to each file; machine-readable on stdout where that is wanted."""
    if as_json:
        print_json(dataclasses.asdict(report))
    _show_files(report)
    counted = [(kind, len(getattr(report, kind))) for kind in (*_KINDS, "failed", "skipped")]
    parts = [f"{count} {word}" for word, count in counted if count] or ["nothing to do"]
    err.print(
        f"{report.collection}: {', '.join(parts)}; {report.chunks_written} chunks in {report.seconds:.1f} s",
        markup=False,
    )
    if report.kept_back:
        err.print(report.kept_back, style="yellow", markup=False)
    elif report.missing:
        err.print("what is missing can still be found: `--prune` removes it", style="yellow", markup=False)


def _show_files(report: IngestReport) -> None:
    """One line a file: failures first, then what changed; what stayed as it was is only counted."""
    lines = [("failed", "red", one.path, one.reason) for one in report.failed]
    lines += [("skipped", "yellow", one.path, one.reason) for one in report.skipped]
    lines += [
        (kind.removesuffix("s"), "green", source, "")
        for kind in _KINDS
        if kind != "unchanged"
        for source in getattr(report, kind)
    ]
    for word, style, source, reason in lines[:_SHOWN_FILES]:
        # no table: it would cut a reason off, and what there is to do with it
        err.print(f"[{style}]{word:<9}[/] {_plain(source)}  {_plain(reason)}".rstrip())
    if len(lines) > _SHOWN_FILES:
        err.print(f"… and {len(lines) - _SHOWN_FILES} more: --json lists them all", style="dim")


def _plain(text: str) -> str:
    from rich.markup import escape

    return escape(text)
