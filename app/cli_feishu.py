"""larkwise feishu: the bot in Feishu or Lark."""

from __future__ import annotations

import asyncio
import dataclasses
from collections import Counter
from typing import TYPE_CHECKING

import typer

from app.cli_terminal import JsonOption, out, print_json
from app.settings import load_settings

if TYPE_CHECKING:
    from app.feishu.findings import Finding, Status

feishu = typer.Typer(no_args_is_help=True, help="The bot in Feishu or Lark.")
_STYLES: dict[Status, str] = {"ok": "green", "missing": "red", "not granted": "yellow", "cannot tell": "yellow"}


@feishu.command()
def check(as_json: JsonOption = False) -> None:
    """Say which credential, permission, event or callback of the app is missing, and what to do about it."""
    from app.feishu.check import check as findings_of

    found = asyncio.run(findings_of(load_settings()))
    counts = Counter(one.status for one in found)
    if as_json:
        print_json({"ok": not counts["missing"], "findings": [dataclasses.asdict(one) for one in found]})
    else:
        for one in found:
            _show(one)
        _sum_up(counts)
    if counts["missing"]:
        raise typer.Exit(1)


def _show(finding: Finding) -> None:
    said = ": ".join(part for part in (finding.what, finding.detail) if part)
    out.print(f"{finding.status:<12}", style=_STYLES[finding.status], end="")
    out.print(f"{said}. {finding.todo[:1].upper()}{finding.todo[1:]}" if finding.todo else said, markup=False)


def _sum_up(counts: Counter[Status]) -> None:
    parts = [f"{counts[status]} {status}" for status in _STYLES if counts[status] and status != "ok"]
    if counts["cannot tell"]:
        parts.append("what cannot be told may be right or wrong")
    out.print("; ".join(parts) or "everything is in its place", markup=False)
