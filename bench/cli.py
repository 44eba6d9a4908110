"""larkwise bench: how fast it is, on this machine."""

from __future__ import annotations

import typer

from bench.ingesting import ingesting
from bench.serving import serving
from bench.soak import soak

commands = typer.Typer(help="How fast larkwise is on this machine.", no_args_is_help=True, add_completion=False)
commands.command()(serving)
commands.command()(soak)
commands.command(name="ingest")(ingesting)


@commands.command()
def smoke() -> None:
    """The numbers that decide whether people keep it: start, first text, memory, retrieval."""
    from bench.smoke import main  # it needs psutil at once

    main()
