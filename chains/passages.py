"""What a chunk is made of, read once: its sentences, and the terms of each and of what stands above it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from langchain_core.documents import Document

from chains.language import characters, terms

_SENTENCE = re.compile(r"[^。！？!?；;\n]+?(?:[。！？!?；;\n]|\.(?=\s|$)|$)")
_SILENT = re.compile(r"[\W_]+")


@dataclass(frozen=True, slots=True)
class Passage:
    """A chunk as `read` sees it; `above` are the terms of its title and headings, `plain` its text without signs."""

    sentences: tuple[str, ...]
    sentence_terms: tuple[frozenset[str], ...]
    terms: frozenset[str]
    above: frozenset[str]
    characters: frozenset[str]
    plain: str


def passage_of(chunk: Document) -> Passage:
    """Cached: the same chunks are found again and again."""
    return _read(chunk.page_content, text_above(chunk))


def text_above(chunk: Document) -> str:
    """Its title and headings: they often name what its text only calls "it"."""
    metadata = chunk.metadata
    return "\n".join(filter(None, (str(metadata.get("title") or ""), str(metadata.get("headings") or ""))))


def searchable_text(chunk: Document) -> str:
    """A chunk with what stands above it."""
    return "\n".join(filter(None, (text_above(chunk), chunk.page_content)))


def sentence_spans(text: str) -> list[tuple[int, int]]:
    """Where each sentence or line begins and ends, in characters; none is blank."""
    return [match.span() for match in _SENTENCE.finditer(text) if match.group().strip()]


def plain(text: str) -> str:
    """Letters and digits only, small."""
    return _SILENT.sub("", text).lower()


@lru_cache(maxsize=4096)
def _read(text: str, above: str) -> Passage:
    sentences = tuple(text[start:end] for start, end in sentence_spans(text)) or (text,)
    of_sentences = tuple(terms(sentence) for sentence in sentences)
    return Passage(
        sentences=sentences,
        sentence_terms=of_sentences,
        terms=frozenset().union(*of_sentences),
        above=terms(above),
        characters=characters(above) | characters(text),
        plain=plain(text),
    )
