"""Documents to sections: the text below each heading, with the path of headings above it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

_HEADING = re.compile(r"^(#{1,6})\s+(\S.*)$")
_UNDERLINED = re.compile(r"(?:(?<=\n\n)|\A)([^\s#>|`~*+-][^\n]*)\n(=+|-{3,})[ \t]*(?=\n|\Z)")
"""A paragraph of one line with "===" or "---" below it is a heading too."""
_FENCE = re.compile(r"^\s*(```|~~~)")
_FRONT_MATTER = re.compile(r"\A---\n(.*?)\n---\n", re.DOTALL)
_FRONT_TITLE = re.compile(r"^title:[ \t]*(\S.*)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Heading:
    """`level` is 1 for the highest."""

    level: int
    text: str


@dataclass(frozen=True, slots=True)
class Section:
    """`text` begins with its own heading line, where it has one."""

    headings: tuple[str, ...]
    text: str


def sections(markdown: str) -> Iterator[Section]:
    """Cut at headings, outside of code fences; sections without text are left out."""
    path: list[tuple[int, str]] = []
    lines: list[str] = []
    fence = ""
    for line in _UNDERLINED.sub(_with_hashes, _FRONT_MATTER.sub("", markdown, count=1)).splitlines():
        if mark := _FENCE.match(line):
            fence = "" if fence == mark[1] else fence or mark[1]
        heading = None if fence else _HEADING.match(line)
        if heading:
            yield from _section(path, lines)
            level = len(heading[1])
            path = [(depth, text) for depth, text in path if depth < level] + [(level, _without_closing(heading[2]))]
            lines = []
        lines.append(line)
    yield from _section(path, lines)


def sections_of(blocks: Iterable[Heading | str]) -> Iterator[Section]:
    """The same for a document that is no Markdown: headings and paragraphs in order, whatever they hold."""
    path: list[Heading] = []
    texts: list[str] = []
    for block in blocks:
        if isinstance(block, Heading):
            yield from _below(path, texts)
            path = [*(above for above in path if above.level < block.level), block]
            texts = []
        elif block.strip():
            texts.append(block)
    yield from _below(path, texts)


def title_of(markdown: str) -> str:
    """The front matter's title, or the first heading, or ""."""
    front = _FRONT_MATTER.match(markdown)
    if front and (title := _FRONT_TITLE.search(front[1])):
        return title[1].strip().strip("\"'")
    first = next((section.headings for section in sections(markdown) if section.headings), ())
    return first[0] if first else ""


def _below(path: list[Heading], texts: list[str]) -> Iterator[Section]:
    if texts:
        own = [f"{'#' * min(path[-1].level, 6)} {path[-1].text}"] if path else []
        yield Section(tuple(heading.text for heading in path), "\n\n".join([*own, *texts]))


def _without_closing(heading: str) -> str:
    """A heading may close with hashes after a space; "C#" keeps its own."""
    text, _, last = heading.rstrip().rpartition(" ")
    return text.rstrip() if text and last and not last.strip("#") else heading.rstrip()


def _with_hashes(heading: re.Match[str]) -> str:
    return f"{'#' if heading[2][0] == '=' else '##'} {heading[1]}"


def _section(path: list[tuple[int, str]], lines: list[str]) -> Iterator[Section]:
    text = "\n".join(lines).strip()
    body = text.split("\n", 1)[1].strip() if path and "\n" in text else "" if path else text
    if body:
        yield Section(tuple(heading for _, heading in path), text)
