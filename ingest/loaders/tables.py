"""Rows to Markdown tables that can be understood apart from each other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

GROUP_CHARACTERS = 450
"""A little less than a chunk, so that the splitter does not part rows from their header."""


def markdown_tables(rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """The first row is the header, and stands above each group of rows again; empty rows are left out."""
    filled = (row for row in rows if any(cell.strip() for cell in row))
    header = next(filled, None)
    if header is None:
        return
    group: list[str] = []
    head = _head(header)
    for row in filled:
        line = _line(row, len(header))
        if group and len(head) + sum(map(len, group)) + len(line) > GROUP_CHARACTERS:
            yield "\n".join([head, *group])
            group = []
        group.append(line)
    yield "\n".join([head, *group])


def _head(header: Sequence[str]) -> str:
    return f"{_line(header, len(header))}\n|{' --- |' * len(header)}"


def _line(row: Sequence[str], width: int) -> str:
    cells = [*row, *([""] * (width - len(row)))]
    return f"| {' | '.join(map(_cell, cells))} |"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
