"""Which source a sentence of the answer rests on."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from chains.answers import Citation, Source
from chains.language import numbers, terms

SHARED_ENOUGH = 0.4
"""The share of a sentence's content words and numbers that one passage must have."""
_SPANS = re.compile(r"[^。！？!?；;\n]+?(?:[。！？!?；;\n]|\.(?=\s|$)|$)")


@dataclass(frozen=True, slots=True)
class _Support:
    number: int
    share: float


def cite(sentence: str, sources: Sequence[Source]) -> Citation | None:
    """
    The citation that a sentence deserves: of the source that shares most of its content words and numbers.

    None where no source shares enough, or where the sentence has a number that the best one has not.
    """
    said = terms(sentence)
    if not said or not sources:
        return None
    best = max((_support(said, number, source) for number, source in enumerate(sources)), key=lambda one: one.share)
    source = sources[best.number]
    if best.share < SHARED_ENOUGH or not numbers(sentence) <= terms(_whole(source)):
        return None
    start, end = _quote(said, source["content"])
    return {
        "marker": f"[{best.number + 1}]",
        "source_id": source["id"],
        "quote": source["content"][start:end],
        "start": start,
        "end": end,
        "supported": True,
    }


def _support(said: frozenset[str], number: int, source: Source) -> _Support:
    # equal shares go to the source that was ranked higher
    return _Support(number, len(said & terms(_whole(source))) / len(said) - number * 1e-6)


def _whole(source: Source) -> str:
    metadata = source["metadata"]
    return "\n".join([str(metadata.get("title", "")), str(metadata.get("headings", "")), source["content"]])


def _quote(said: frozenset[str], content: str) -> tuple[int, int]:
    """Where in the content the sentence or line stands that shares most with what was said."""
    spans = [match.span() for match in _SPANS.finditer(content) if match.group().strip()] or [(0, len(content))]
    start, end = max(spans, key=lambda span: (len(said & terms(content[span[0] : span[1]])), span[0] - span[1]))
    inner = content[start:end]
    lead = len(inner) - len(inner.lstrip())
    return start + lead, start + len(inner.rstrip())
