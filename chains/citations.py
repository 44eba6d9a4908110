"""Which passage of the sources proves a sentence of the answer, if any does."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

from chains.answers import Citation, Source
from chains.citing.alignment import keys, lacks_word
from chains.citing.claims import affirms, claim
from chains.citing.crossing import Similarity, across
from chains.citing.evidence import Evidence, Said, evidence
from chains.citing.facts import agree
from chains.citing.polarity import contradict
from chains.citing.proof import is_near_enough, nearly_proves, proves
from chains.citing.rivals import outdone

_COMPARED = 8
"""So many passages at most are compared in meaning: it takes a millisecond or two for each."""


def cite(
    sentence: str, sources: Sequence[Source], *, question: str = "", similarity: Similarity | None = None
) -> Citation | None:
    """
    The citation that a sentence of an answer deserves: its quote is the shortest passage that proves it.

    A passage proves what has its words in it, agrees in all numbers, dates, names and denials, and speaks of what the
    `question` asks, since an answer is often a fragment such as "In 1985." `similarity` is asked at most once, where
    words alone leave it open, as they do between languages. None where nothing proves the sentence.
    """
    text = claim(sentence)
    said = Said.of(question if affirms(text) else text, question)
    if not said.added:
        return None
    found = sorted(evidence(said, sources), key=_preference)
    for one in found:
        if proves(one, said) and _agrees(one, said, sources):
            return citation(one.number, one.start, one.end, sources)
    return _nearest(said, found, sources, similarity) if similarity is not None else None


def cite_code(block: str, sources: Sequence[Source]) -> Citation | None:
    """The citation of a block of code: each of its lines stands in one source, as it is; the quote spans them."""
    lines = [line.strip() for line in block.splitlines() if line.strip()]
    for number, source in enumerate(sources):
        places = [(source["content"].find(line), len(line)) for line in lines]
        if places and all(start >= 0 for start, _ in places):
            start, end = min(start for start, _ in places), max(start + length for start, length in places)
            return citation(number, start, end, sources)
    return None


def citation(number: int, start: int, end: int, sources: Sequence[Source]) -> Citation:
    """Of a passage of the source with this number, counted from 0."""
    source = sources[number]
    return {
        "marker": f"[{number + 1}]",
        "source_id": source["id"],
        "quote": source["content"][start:end],
        "start": start,
        "end": end,
        "supported": True,
    }


def _preference(one: Evidence) -> tuple[float, int]:
    """Most coverage first; a sentence more is worth it where it adds half of what was asked."""
    return (one.sentences / 4 - one.about / 2 - 2 * one.covered, one.number)


def _agrees(one: Evidence, said: Said, sources: Sequence[Source]) -> bool:
    quote = sources[one.number]["content"][one.start : one.end]
    return (
        not lacks_word(said.text, keys(quote), keys(one.context), keys(said.question))
        and agree(said.text, f"{one.context}\n{quote}", asked=said.question)
        and not contradict(said.text, quote, asked=said.question)
        and not outdone(said.text, said.shared, said.question, quote)
    )


def _nearest(
    said: Said, found: Sequence[Evidence], sources: Sequence[Source], similarity: Similarity
) -> Citation | None:
    """The passage nearest in meaning: of those that lack little, or else of those in the other language."""
    some = list(islice((one for one in found if nearly_proves(one, said) and _agrees(one, said, sources)), _COMPARED))
    if not some:
        place = across(said, sources, similarity)
        return citation(*place, sources) if place else None
    text = f"{said.question} {said.text}" if said.leans else said.text
    passages = [f"{one.context}\n{sources[one.number]['content'][one.start : one.end]}".strip() for one in some]
    near = list(zip(similarity(text, passages), some, strict=True))
    good = [(cosine, one) for cosine, one in near if is_near_enough(one, said, cosine)]
    if not good:
        return None
    _, best = max(good, key=lambda pair: pair[0])
    return citation(best.number, best.start, best.end, sources)
