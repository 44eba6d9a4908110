"""The passages of a source that can be quoted: a sentence, a few neighbouring ones, or a row of a table."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

LONGEST = 300
"""Of a quote, in characters."""
_MOST_SENTENCES = 3
_ABBREVIATION = re.compile(
    r"(?:\b[A-Za-z]|\b(?:Dr|Mr|Mrs|Ms|Prof|St|Jr|Sr|Inc|Ltd|Co|Corp|No|vs|etc|al|cf|Fig|Gen|Col|Gov|Sen|Rep|Mt|approx|ca))\Z"
)
_END = re.compile(r"[。！？!?；;]+[”’」』）)\"]*|\.[”’\")\]]*(?=\s|$)|\n")
_CUT = re.compile(r"[，,、\s]")
_ROW = re.compile(r"\s*\|.*\|\s*")
_RULE = re.compile(r"[\s|:-]+")


@dataclass(frozen=True, slots=True)
class Span:
    """From `start` to `end` of a source's content; `context` says what it is about, as a table's header does."""

    start: int
    end: int
    context: str = ""


@lru_cache(maxsize=512)
def windows(content: str) -> tuple[tuple[Span, ...], ...]:
    """Each passage as its sentences, which are neighbours; the shorter ones first, in order. None is blank."""
    rows = tuple(_rows(content))
    sentences = [one for one in _sentences(content) if not any(row.start <= one.start < row.end for row in rows)]
    wider = (
        tuple(sentences[at : at + count])
        for count in range(1, _MOST_SENTENCES + 1)
        for at in range(len(sentences) - count + 1)
        if sentences[at + count - 1].end - sentences[at].start <= LONGEST
    )
    return (*((row,) for row in rows), *wider)


def ends_sentence(before: str) -> bool:
    """Whether a full stop after this text ends a sentence: it does not in "U.S. troops", nor after a list's number."""
    return not (_ABBREVIATION.search(before) or before.rsplit("\n", 1)[-1].strip().isdigit())


def _sentences(content: str) -> Iterator[Span]:
    start = 0
    for match in _END.finditer(content):
        if match.group()[0] != "." or ends_sentence(content[start : match.start()]):
            yield from _trimmed(content, start, match.end())
            start = match.end()
    yield from _trimmed(content, start, len(content))


def _trimmed(content: str, start: int, end: int) -> Iterator[Span]:
    """Without blanks at its ends; in pieces where it is too long, none where it has no letter."""
    while end - start > LONGEST:
        cuts = [match.end() for match in _CUT.finditer(content, start, start + LONGEST)]
        cut = cuts[-1] if cuts else start + LONGEST
        yield from _trimmed(content, start, cut)
        start = cut
    text = content[start:end]
    if re.search(r"\w", text):
        yield Span(start + len(text) - len(text.lstrip()), start + len(text.rstrip()))


def _rows(content: str) -> Iterator[Span]:
    """The rows of Markdown tables, each with its header."""
    at, header = 0, ""
    for line in content.splitlines(keepends=True):
        text = line.strip()
        if not _ROW.fullmatch(line):
            header = ""
        elif not _RULE.fullmatch(text):
            start = at + line.index(text)
            yield Span(start, start + len(text), header)
            header = header or text
        at += len(line)
