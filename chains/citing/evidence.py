"""How far each passage of the sources goes to prove what a sentence of an answer says."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from chains.answers import Source
from chains.citing.alignment import Unit, held, keys, units, weight, without
from chains.citing.spans import Span, windows
from chains.language import is_han

_FRAGMENT = 0.4
"""A sentence that repeats less of the question than this leans on it: "In 1985." """


@dataclass(frozen=True, slots=True)
class Said:
    """A claim, by what it adds to the question, and by what it repeats of it or leans on."""

    text: str
    question: str
    added: tuple[Unit, ...]
    shared: tuple[Unit, ...]
    """Empty where there is no question."""
    asked: tuple[Unit, ...]
    leans: bool
    """It says little of what was asked, so the question belongs to it."""

    @classmethod
    def of(cls, claim: str, question: str) -> Said:
        mine, asked = units(claim), units(question)
        added = without(mine, keys(question))
        repeated = tuple(unit for unit in mine if unit not in added)
        leans = weight(repeated) < _FRAGMENT * weight(asked)
        return cls(claim, question, added or mine, asked if leans else repeated, asked, leans)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What one passage has of a claim; shares are 0..1."""

    number: int
    """Of the source, from 0."""
    start: int
    end: int
    sentences: int
    context: str
    """What stands above it: title, headings, a table's header."""
    covered: float
    """The share of what the claim adds that the passage or its context has."""
    quoted: float
    """... that the passage has."""
    about: float
    """The passage's share of the question."""
    fitting: float
    """
    The share of what is shared, by its telling words, that those of its sentences have that say what was added; plus
    how that compares with the best sentence of all sources: 0..2.
    """
    grounded: float
    """The share of what is shared that was said by the end of the passage: its subject is often named before."""
    crosses: bool
    """The source is in another script than the question, so that shared words cannot be expected."""


def evidence(said: Said, sources: Sequence[Source]) -> list[Evidence]:
    """Of each passage of each source that has anything of the claim; in the sources' order."""
    read = [_read(source["content"], above(source)) for source in sources]
    rare = _rarity(said.shared, [part for one in read for part in one.sentences])
    best = max((held(rare, part, one.above) for one in read for part in one.sentences), default=0.0)
    return [found for number, one in enumerate(read) for found in _of_source(number, one, said, rare, best)]


def above(source: Source) -> str:
    """A source's title and headings."""
    metadata = source["metadata"]
    return "\n".join(filter(None, (str(metadata.get("title") or ""), str(metadata.get("headings") or ""))))


@dataclass(frozen=True, slots=True)
class _Read:
    content: str
    context: str
    above: frozenset[str]
    sentences: tuple[frozenset[str], ...]
    windows: tuple[tuple[tuple[Span, ...], tuple[frozenset[str], ...], frozenset[str]], ...]
    """Each passage: where its sentences stand, what they have, and what all the text has up to its end."""


@lru_cache(maxsize=512)
def _read(content: str, context: str) -> _Read:
    passages = windows(content)
    of_span = {span: keys(content[span.start : span.end]) for passage in passages for span in passage}
    until = {
        last.end: frozenset().union(*(part for span, part in of_span.items() if span.end <= last.end))
        for last in of_span
    }
    return _Read(
        content=content,
        context=context,
        above=keys(context),
        sentences=tuple(of_span.values()),
        windows=tuple((one, tuple(of_span[span] for span in one), until[one[-1].end]) for one in passages),
    )


def _rarity(shared: Sequence[Unit], sentences: Sequence[frozenset[str]]) -> tuple[Unit, ...]:
    """What is shared, with more weight for what few sentences have."""
    total = len(sentences)

    def weighed(unit: Unit) -> Unit:
        frequency = sum(not unit.keys.isdisjoint(sentence) for sentence in sentences)
        return Unit(unit.text, unit.keys, unit.weight * math.log(1 + (total - frequency + 0.5) / (frequency + 0.5)))

    return tuple(weighed(unit) for unit in shared)


def _of_source(number: int, read: _Read, said: Said, rare: tuple[Unit, ...], best: float) -> Iterator[Evidence]:
    crosses = is_han(read.content) != is_han(said.question)
    for spans, parts, until in read.windows:
        quoted = held(said.added, *parts)
        if not quoted:
            continue
        context = keys(spans[0].context)
        saying = [part for part in parts if held(said.added, part)]
        share = held(rare, *saying, read.above, context)
        yield Evidence(
            number=number,
            start=spans[0].start,
            end=spans[-1].end,
            sentences=len(spans),
            context="\n".join(filter(None, (read.context, spans[0].context))),
            covered=held(said.added, *parts, read.above, context),
            quoted=quoted,
            about=held(said.asked, *parts, read.above, context),
            fitting=share + (share / best if best else 1.0),
            grounded=held(said.shared, until, read.above, context),
            crosses=crosses,
        )
