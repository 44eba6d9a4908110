"""
Commands of other rooms and packages, by the entry-point group `larkwise.commands`.

A name of the group is a `typer.Typer`. Errors of the package's own tree, in its `errors.py`, are shown as sentences.
"""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points
from typing import Any, NoReturn

import typer
from typer.core import TyperGroup

GROUP = "larkwise.commands"


class CommandUnavailable(Exception):
    """A command is announced and cannot be imported."""


class Commands(TyperGroup):
    """larkwise's own commands, and those of the group; the latter are imported when they are needed."""

    def list_commands(self, ctx: Any) -> list[str]:
        return [*super().list_commands(ctx), *(name for name in _announced() if name not in self.commands)]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        own = super().get_command(ctx, cmd_name)
        point = _announced().get(cmd_name)
        return own if own is not None or point is None else _imported(point)


def is_sentence(error: Exception) -> bool:
    """Whether it is of the tree in `errors.py` of a package that brings commands: its message is for people."""
    trees = {f"{point.value.partition(':')[0].partition('.')[0]}.errors" for point in _announced().values()}
    return any(kind.__module__ in trees for kind in type(error).__mro__)


def _announced() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=GROUP)}


def _imported(point: EntryPoint) -> Any:
    try:
        found = point.load()
    except (ImportError, AttributeError) as error:
        return _unavailable(point.name, f"`larkwise {point.name}` cannot be imported ({error}): reinstall larkwise")
    if not isinstance(found, typer.Typer):
        return _unavailable(point.name, f"`larkwise {point.name}`: {point.value} should be a typer.Typer")
    command = typer.main.get_command(found)
    command.name = point.name
    return command


def _unavailable(name: str, why: str) -> Any:
    stub = typer.Typer(add_completion=False)

    @stub.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []})
    def say_why(_context: typer.Context) -> NoReturn:
        """(cannot be imported)"""
        raise CommandUnavailable(why)

    command = typer.main.get_command(stub)
    command.name = name
    return command
