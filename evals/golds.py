"""Which chunks and documents are right for a question."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from langchain_core.documents import Document

from chains.language import Language, language_of, terms
from evals.sets import Question, QuestionSet
from ingest.stores.port import KnowledgeStore


def holds(text: str, answers: Sequence[str]) -> bool:
    """Whether one of the answers stands in the text, letter by letter; spaces and line ends do not count."""
    plain = _without_spaces(text)
    return any(answer in plain for one in answers if (answer := _without_spaces(one)))


def is_gold(metadata: Mapping[str, Any], question: Question, asked_of: QuestionSet) -> bool:
    """Whether a chunk comes from one of the question's documents; one that is known by its id in the collection too."""
    names = metadata.get("sources") or [metadata.get("source", "")]
    known_as = {*(asked_of.document_of(str(name)) for name in names), str(metadata.get("document_id", ""))}
    return not known_as.isdisjoint(question.documents)


def is_right(text: str, metadata: Mapping[str, Any], question: Question, asked_of: QuestionSet) -> bool:
    """Whether a chunk comes from one of the question's documents and contains one of its answers."""
    return is_gold(metadata, question, asked_of) and holds(text, question.answers)


@dataclass(frozen=True, slots=True)
class Gold:
    """What should be found for a question in a collection."""

    question: str
    chunks: tuple[Document, ...]
    """Those that are right; there are none where the splitter cut through every answer."""
    document_ids: frozenset[str]
    """Of the question's documents, by their ids in the collection."""
    languages: frozenset[Language]
    """Of these documents."""

    @property
    def chunk_ids(self) -> frozenset[str]:
        return frozenset(str(chunk.id) for chunk in self.chunks)

    @property
    def overlap(self) -> float:
        """The share of the question's terms that stand in the right chunk with most of them; 0 where it has none."""
        asked = terms(self.question)
        shares = (len(asked & terms(chunk.page_content)) / len(asked) for chunk in self.chunks if asked)
        return max(shares, default=0.0)

    @property
    def is_cross_language(self) -> bool:
        """The question is in another script than all of its documents."""
        return bool(self.languages) and language_of(self.question) not in self.languages


class Golds:
    """The right chunks of a collection; each document is read once."""

    def __init__(self, store: KnowledgeStore, asked_of: QuestionSet) -> None:
        self._store = store
        self._ids: dict[str, list[str]] = {}
        """A document's ids in the collection by what the set calls it."""
        for document in store.documents():
            for name in {document.id, *(asked_of.document_of(source.name) for source in document.sources)}:
                self._ids.setdefault(name, []).append(document.id)
        self._chunks: dict[str, list[Document]] = {}
        self._languages: dict[str, Language] = {}

    def of(self, question: Question) -> Gold:
        ids = list(dict.fromkeys(found for name in question.documents for found in self._ids.get(name, [])))
        right = [
            chunk for found in ids for chunk in self._chunks_of(found) if holds(chunk.page_content, question.answers)
        ]
        return Gold(question.question, tuple(right), frozenset(ids), frozenset(map(self._language_of, ids)))

    def _chunks_of(self, document_id: str) -> list[Document]:
        if document_id not in self._chunks:
            self._chunks[document_id] = self._store.chunks_of(document_id)
        return self._chunks[document_id]

    def _language_of(self, document_id: str) -> Language:
        if document_id not in self._languages:
            text = "\n".join(chunk.page_content for chunk in self._chunks_of(document_id))
            self._languages[document_id] = language_of(text)
        return self._languages[document_id]


def _without_spaces(text: str) -> str:
    return "".join(text.split())
