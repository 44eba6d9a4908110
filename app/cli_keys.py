"""larkwise keys: who may ask."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated, Any, TypeVar

import typer
from rich.table import Table

from app.cli_terminal import JsonOption, err, out, print_json
from app.database import open_database
from app.keys import ApiKey, Keys
from app.rates import checked_rate
from app.settings import load_settings

T = TypeVar("T")
keys = typer.Typer(help="API keys: create, list, revoke", no_args_is_help=True)
RateOption = Annotated[
    str | None, typer.Option("--rate-limit", help="Requests that this key may send, for example 60/minute")
]


@keys.command()
def create(
    name: Annotated[str, typer.Argument(help="Who or what it is for")],
    rate_limit: RateOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a key and print it; this is the only time that it is shown."""
    if rate_limit:
        _check(rate_limit)
    key, known = _with_keys(lambda kept: kept.create(name, rate_limit=rate_limit))
    if as_json:
        print_json({"key": key} | _facts(known))
        return
    print(key)
    err.print(f"key {known.id} for {name}: keep it, it is not shown again", markup=False)


@keys.command(name="list")
def list_keys(as_json: JsonOption = False) -> None:
    """Every key with its name and when it was used; never the key itself."""
    known = _with_keys(lambda kept: kept.list())
    if as_json:
        print_json({"keys": [_facts(key) for key in known]})
        return
    table = Table("id", "name", "rate limit", "created", "last used", "revoked", box=None)
    for key in known:
        moments = (_shown(moment) for moment in (key.created_at, key.last_used_at, key.revoked_at))
        table.add_row(str(key.id), key.name, key.rate_limit or "", *moments)
    out.print(table)


@keys.command()
def revoke(id_or_name: Annotated[str, typer.Argument(metavar="ID_OR_NAME")]) -> None:
    """Take a key back; a running service refuses it within a few seconds."""
    known = _with_keys(lambda kept: kept.revoke(id_or_name))
    err.print(f"key {known.id} for {known.name} is revoked", markup=False)


def _with_keys(work: Callable[[Keys], Awaitable[T]]) -> T:
    async def done() -> T:
        database = await open_database(load_settings().database)
        try:
            return await work(Keys(database))
        finally:
            await database.close()

    return asyncio.run(done())


def _check(rate_limit: str) -> None:
    try:
        checked_rate(rate_limit)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


def _facts(key: ApiKey) -> dict[str, Any]:
    return {
        "id": key.id,
        "name": key.name,
        "rate_limit": key.rate_limit,
        "created_at": key.created_at.isoformat(),
        "last_used_at": key.last_used_at.isoformat() if key.last_used_at else None,
        "revoked_at": key.revoked_at.isoformat() if key.revoked_at else None,
    }


def _shown(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M}" if moment else ""
