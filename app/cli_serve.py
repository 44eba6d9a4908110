"""larkwise serve and doctor."""

from __future__ import annotations

import asyncio
import math
import platform
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
import uvicorn
from fastapi import FastAPI

from app.cli_terminal import err, out, progress_bar, say_error
from app.feishu.opening import check_feishu
from app.ingestion import ingest_paths
from app.loading import check_doors
from app.observability import configure_logging
from app.services import chain_specs, needed_models, open_collections, open_weights, prepare
from app.settings import Settings, load_settings
from app.version import VERSION
from ingest.collections import any_documents
from ingest.errors import CollectionError
from models.weights import WeightsStore, check_name

_MARGIN_S = 2
"""Seconds for last words: the answers that are cut short say so."""
_SWITCH_S = 0.001
"""Seconds after which a thread that computes in Python lets another one go on; with the usual 5 ms answers wait."""
ExampleOption = Annotated[
    Path | None, typer.Option("--example", help="Documents to ingest where there is no collection yet")
]


def serve(
    example: ExampleOption = None,
    host: Annotated[str | None, typer.Option(help="LARKWISE_HOST")] = None,
    port: Annotated[int | None, typer.Option(help="LARKWISE_PORT")] = None,
) -> None:
    """Start the service; fetches what is missing first."""
    given: dict[str, Any] = {name: value for name, value in (("host", host), ("port", port)) if value is not None}
    settings = load_settings(**given)
    check_feishu(settings)
    specs = chain_specs(settings)
    asyncio.run(check_doors(settings))
    with progress_bar() as progress:
        weights = open_weights(settings, progress=progress)
        for name in needed_models(settings):
            prepare(name, settings, weights)
    if example and not any_documents(settings.data_dir / "collections"):
        with progress_bar() as progress:
            ingest_paths(settings, [example], "default", progress=progress)
    _run(settings, list(specs))


def _run(settings: Settings, names: list[str]) -> None:
    from app.factory import create_app

    configure_logging(settings.log_level)
    sys.setswitchinterval(_SWITCH_S)
    err.print("loading the model …")
    app = create_app(settings, failed=say_error)
    server = _Announcing(server_config(app, settings), lambda: app.state.services is not None, names)
    server.run()
    if not server.started:
        raise typer.Exit(1)


def server_config(app: FastAPI, settings: Settings) -> uvicorn.Config:
    """How we serve: running answers end in time, and the server waits a little longer than they may take."""
    return uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=math.ceil(settings.shutdown_timeout_s) + _MARGIN_S,
    )


class _Announcing(uvicorn.Server):
    """Says where everything is as soon as it can be used."""

    def __init__(self, config: uvicorn.Config, is_ready: Callable[[], bool], names: list[str]) -> None:
        super().__init__(config)
        self._is_ready = is_ready
        self._names = names
        self._said = False

    async def on_tick(self, counter: int) -> bool:
        if not self._said and self._is_ready():
            self._said = True
            self._say()
        return await super().on_tick(counter)

    def _say(self) -> None:
        host, port = self.servers[0].sockets[0].getsockname()[:2]
        base = f"http://{host}:{port}"
        out.print(f"larkwise {VERSION} is ready", style="bold green")
        for name in self._names:
            out.print(f"  {name:<10} {base}/{name}/playground/", markup=False)
        out.print(f"  {'API':<10} {base}/docs", markup=False)
        out.print(f"  {'health':<10} {base}/health/ready", markup=False)


def doctor() -> None:
    """Check this installation: settings, disk, weights, collections."""
    settings = load_settings()
    weights = open_weights(settings)
    out.print(f"larkwise {VERSION}, Python {platform.python_version()}, {platform.platform()}", markup=False)
    out.print(f"profile {settings.profile}; model {settings.llm_model}; embedding {settings.embedding_model}")
    for name, folder in (("data", settings.data_dir), ("cache", settings.cache_dir)):
        there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
        free = shutil.disk_usage(there).free / 1e9
        out.print(f"{name}: {folder} ({free:.1f} GB free)", markup=False)
    for name in needed_models(settings):
        check_name(weights.manifest, name)
    missing = [
        row.entry.name for row in weights.status() if row.state != "ready" and row.entry.name in needed_models(settings)
    ]
    for name in missing:
        out.print(f"{name} is not here yet: `larkwise models pull` fetches it", style="yellow", markup=False)
    broken = [] if missing else _broken_collections(settings, weights)
    for reason in broken:
        out.print(reason, style="red", markup=False)
    if missing or broken:
        raise typer.Exit(1)
    out.print("everything is in its place", style="green")


def _broken_collections(settings: Settings, weights: WeightsStore) -> list[str]:
    """What is wrong with each collection that cannot be used."""
    collections = open_collections(settings, weights)
    broken = []
    for name in collections.names():
        try:
            collections.open(name).check()
        except CollectionError as error:
            broken.append(str(error))
    return broken
