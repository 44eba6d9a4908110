"""larkwise bench: how fast it is, on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bench.ingesting import ingesting
from bench.report import commands as report_commands
from bench.report.commands import LangOption, OutOption
from bench.serving import serving
from bench.soak import soak

commands = typer.Typer(
    help="How fast larkwise is on this machine.",
    no_args_is_help=True,
    add_completion=False,
    invoke_without_command=True,
)
commands.command()(serving)
commands.command()(soak)
commands.command(name="ingest")(ingesting)
commands.command(name="http")(report_commands.http)
commands.command(name="compare")(report_commands.compare)
commands.command(name="render")(report_commands.render)


@commands.callback()
def report(
    context: typer.Context,
    config: Annotated[
        Path | None,
        typer.Option(
            "--config", help="Write the test report: a YAML file, or one of larkwise's: int8, rag, concurrency, smoke"
        ),
    ] = None,
    folder: OutOption = None,
    lang: LangOption = "en",
    repeats: Annotated[int | None, typer.Option(min=1, max=100, help="Instead of the configuration's")] = None,
    requests: Annotated[int | None, typer.Option(min=1, help="Of each load, instead of the configuration's")] = None,
) -> None:
    """How fast larkwise is on this machine: with --config the test report, else one of the commands."""
    if context.invoked_subcommand is None:
        if config is None:
            raise typer.BadParameter("the report needs --config", param_hint="--config")
        report_commands.report(config, folder, lang, repeats, requests)
        return
    for name in context.params:
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            option = "--out" if name == "folder" else f"--{name}"
            raise typer.BadParameter(
                f"it belongs behind {context.invoked_subcommand}, or to the report", param_hint=option
            )


@commands.command()
def smoke() -> None:
    """The numbers that decide whether people keep it: start, first text, memory, retrieval."""
    from bench.smoke import main  # it needs psutil at once

    main()
