"""Source code and configuration: cut at definitions, which are its headings."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePath

from langchain_core.document_loaders import BaseBlobParser
from langchain_core.documents import Document
from langchain_core.documents.base import Blob

from ingest.loaders.encoding import decode

_PROGRAMS = (
    *(".py", ".pyi", ".js", ".jsx", ".mjs", ".cjs", ".ts", ".tsx", ".java", ".kt", ".scala", ".go", ".rs"),
    *(".c", ".cc", ".cpp", ".h", ".hpp", ".cs", ".swift", ".rb", ".php", ".lua", ".r", ".jl", ".dart", ".vue"),
    *(".sh", ".bash", ".zsh", ".ps1", ".bat", ".sql", ".proto", ".graphql"),
)
_SETTINGS = (".yaml", ".yml", ".toml", ".ini", ".cfg", ".conf", ".properties", ".tf")
CODE_SUFFIXES = (*_PROGRAMS, *_SETTINGS)

_MODIFIERS = (
    r"(?:(?:export|default|declare|public|private|protected|internal|static|final|abstract|sealed|open|override|"
    r"async|pub(?:\([a-z]+\))?|unsafe|extern|data|inline|const)\s+)*"
)
_DEFINITIONS = (
    re.compile(
        rf"(\s*){_MODIFIERS}(?:class|def|func|fn|function|interface|struct|enum|trait|impl|record|fun|object|module|"
        r"namespace|message|service)\b\*?\s*(?:<[^>]*>\s*)?(?:\([^)]*\)\s*)?([\w$.]+(?:::[\w$]+)*)"
    ),
    re.compile(r"()type\s+(\w+)\s+(?:struct|interface|func)\b"),  # Go
    re.compile(r"(\s*)(?:export\s+)?(?:const|let|var)\s+([\w$]+)\s*=\s*(?:async\s*)?(?:function\b|\()"),
    re.compile(
        r"(\s*)create\s+(?:or\s+replace\s+)?(?:temp\w*\s+|unique\s+)*(?:table|view|function|procedure|index|trigger)\s+"
        r"(?:if\s+not\s+exists\s+)?([\w.\"`\[\]]+)",
        re.IGNORECASE,
    ),
    re.compile(r"()([\w-]+)\s*\(\)\s*\{"),  # a shell's function
)
_C_FUNCTION = re.compile(r"()[A-Za-z_][\w \t*&:<>,]*?\b([A-Za-z_~][\w:~]*)\s*\([^;]*$")
_C_SUFFIXES = (".c", ".cc", ".cpp", ".h", ".hpp")
_TABLE = re.compile(r"()\s*\[+([^\[\]]+)\]+\s*(?:[#;].*)?$")
_TABLE_SUFFIXES = (".toml", ".ini", ".cfg", ".conf")
_BELONGS_BELOW = re.compile(r"\s*(?:@|#|//|/\*|\*|--|\"\"\")")
"""Decorators and comments right above a definition are part of it."""
_LINE_CHARACTERS = 240
"""Longer lines are data or minified: no definition is looked for in them."""
_DEPTH = 2
"""A class and its methods; a function within a method stays in it."""


class CodeParser(BaseBlobParser):
    """The title is the file's name with its ending; each definition is a section, a method below its class."""

    def lazy_parse(self, blob: Blob) -> Iterator[Document]:
        name = str(blob.source)
        text = decode(blob.as_bytes(), name)
        for path, part in _sections(text, _patterns(PurePath(name).suffix.lower())):
            yield Document(part, metadata={"title": PurePath(name).name, "headings": " > ".join(path)})


def _patterns(suffix: str) -> tuple[re.Pattern[str], ...]:
    if suffix in _TABLE_SUFFIXES:
        return (_TABLE,)
    if suffix in _SETTINGS:
        return ()
    return (*_DEFINITIONS, _C_FUNCTION) if suffix in _C_SUFFIXES else _DEFINITIONS


def _sections(text: str, patterns: tuple[re.Pattern[str], ...]) -> Iterator[tuple[tuple[str, ...], str]]:
    path: list[tuple[int, str]] = []
    lines: list[str] = []
    for line in text.split("\n"):
        if found := _definition(line, patterns):
            indent, name = found
            above = [outer for outer in path if outer[0] < indent]
            if len(above) < _DEPTH:
                own, lines = _parted(lines)
                yield from _section(path, own)
                path = [*above, (indent, name)]
        lines.append(line)
    yield from _section(path, lines)


def _definition(line: str, patterns: tuple[re.Pattern[str], ...]) -> tuple[int, str] | None:
    if len(line) > _LINE_CHARACTERS:
        return None
    for pattern in patterns:
        if found := pattern.match(line):
            return len(found[1].expandtabs(4)), found[2].strip()
    return None


def _parted(lines: list[str]) -> tuple[list[str], list[str]]:
    """What belongs to the definition before, and what to the one that follows."""
    end = len(lines)
    while end and _BELONGS_BELOW.match(lines[end - 1]):
        end -= 1
    return lines[:end], lines[end:]


def _section(path: list[tuple[int, str]], lines: list[str]) -> Iterator[tuple[tuple[str, ...], str]]:
    text = "\n".join(lines).strip("\n").rstrip()
    if text.strip():
        yield tuple(name for _, name in path), text
