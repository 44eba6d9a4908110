"""Proof in the other language: an English sentence on a Chinese source, or the reverse."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TypeAlias

from chains.answers import Source
from chains.citing.alignment import keys, without
from chains.citing.evidence import Said, above
from chains.citing.facts import agree
from chains.citing.spans import windows
from chains.language import is_han

Similarity: TypeAlias = Callable[[str, Sequence[str]], Sequence[float]]
"""The cosine of a text with each of some passages, which may be in the other language."""

_COMPARED = 24
_WORDS, _ALL = 0.3, 0.4
"""
The cosines that words which were added to the question need, and that an answer of numbers and names needs together
with its question. Translations lie further apart than sentences of one language: a right answer's added words reach
0.3 in two of five cases, a wrong one's in one of thirty (200 questions of XQuAD, multilingual encoder v3).
"""


@dataclass(frozen=True, slots=True)
class _Sentence:
    number: int
    start: int
    end: int
    text: str
    context: str


def across(said: Said, sources: Sequence[Source], similarity: Similarity) -> tuple[int, int, int] | None:
    """
    The source's number, and where in it the sentence stands that is nearest in meaning to what the claim adds.

    Numbers and names with digits must agree; words cannot be compared.
    """
    some = list(islice(_sentences(said, sources), _COMPARED))
    if not some:
        return None
    words = without(said.added, *(keys(one.text) for one in some))
    joint = "" if is_han(said.text) else " "
    text = joint.join(unit.text for unit in words) if words else f"{said.question} {said.text}"
    near = similarity(text, [f"{one.context}\n{one.text}".strip() for one in some])
    cosine, best = max(zip(near, some, strict=True), key=lambda pair: pair[0])
    return (best.number, best.start, best.end) if cosine >= (_WORDS if words else _ALL) else None


def _sentences(said: Said, sources: Sequence[Source]) -> Iterator[_Sentence]:
    """Those in the other script that agree with the claim, in the sources' order."""
    for number, source in enumerate(sources):
        content, context = source["content"], above(source)
        if is_han(content) == is_han(said.text):
            continue
        for window in windows(content):
            text = content[window[0].start : window[-1].end]
            if len(window) == 1 and agree(said.text, f"{context}\n{text}", asked=said.question, translated=True):
                yield _Sentence(number, window[0].start, window[0].end, text, context)
