"""larkwise serve and doctor."""

from __future__ import annotations

import asyncio
import platform
import shutil
from pathlib import Path
from typing import Annotated, Any

import typer
import uvicorn

from app.cli_ingest import ingest_paths
from app.cli_terminal import err, out, progress_bar
from app.database import open_database
from app.observability import configure_logging
from app.services import chain_specs, open_weights
from app.settings import Settings, load_settings
from app.version import VERSION
from models.weights import WeightsStore

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
    specs = chain_specs(settings)
    asyncio.run(_check_database(settings))
    with progress_bar() as progress:
        _prepare(open_weights(settings, progress=progress), settings)
    if example and not any((settings.data_dir / "collections").glob("*/collection.sqlite3")):
        ingest_paths(settings, [example], "default")
    _run(settings, list(specs))


async def _check_database(settings: Settings) -> None:
    """What is wrong with it should be a sentence here, and not a traceback out of the server."""
    database = await open_database(settings.database)
    await database.close()


def _prepare(weights: WeightsStore, settings: Settings) -> None:
    from models.conversion import ready_model_folder

    weights.ensure(settings.embedding_model)
    ready_model_folder(weights, settings.llm_model, progress=weights.progress)


def _run(settings: Settings, names: list[str]) -> None:
    from app.factory import create_app

    configure_logging(settings.log_level)
    err.print("loading the model …")
    server = _Announcing(
        uvicorn.Config(
            create_app(settings),
            host=settings.host,
            port=settings.port,
            log_level="warning",
            access_log=False,
            timeout_graceful_shutdown=10,
        ),
        names,
    )
    server.run()
    if not server.started:
        raise typer.Exit(1)


class _Announcing(uvicorn.Server):
    """Says where to go once the doors are open."""

    def __init__(self, config: uvicorn.Config, names: list[str]) -> None:
        super().__init__(config)
        self._names = names

    async def startup(self, sockets: list[object] | None = None) -> None:  # type: ignore[override]
        await super().startup(sockets)  # type: ignore[arg-type]
        if not self.started:
            return
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
    missing = [
        row.entry.name
        for row in weights.status()
        if row.state != "ready" and row.entry.name in (settings.llm_model, settings.embedding_model)
    ]
    for name in missing:
        out.print(f"{name} is not here yet: `larkwise models pull` fetches it", style="yellow", markup=False)
    if missing:
        raise typer.Exit(1)
    out.print("everything is in its place", style="green")
