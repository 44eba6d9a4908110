"""From answers that were marked down to a set's files, and what is there already stays."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from app.database import Rated
from evals.rejoin import rejoined
from evals.sets import CorpusLine, QueryLine, read_lines
from ingest.stores.port import KnowledgeStore


class FeedbackQuery(QueryLine):
    """A question to label, with what was answered; the reader of sets leaves the latter alone."""

    source: str = "feedback"
    asked: str
    """In the asker's own words; `question` can be understood without the conversation."""
    answer: str
    refused: bool
    confidence: float | None
    rating: str
    comment: str


@dataclass(frozen=True, slots=True)
class Exported:
    """What a run wrote. `unread` are documents that are in no collection any more."""

    questions: int
    known: int
    """Questions that were in the file already."""
    documents: int
    unread: tuple[str, ...]
    elsewhere: int
    """Answers that rest on documents of other collections."""

    def as_json(self) -> dict[str, Any]:
        return {
            "questions": self.questions,
            "known": self.known,
            "documents": self.documents,
            "unread": list(self.unread),
            "elsewhere": self.elsewhere,
        }


def export(
    rated: Sequence[Rated], stores: Sequence[KnowledgeStore], folder: Path, *, only_theirs: bool = False
) -> Exported:
    """
    Add what is not there yet to the folder's set; `only_theirs` leaves out what rests on documents of no store here.

    Raises:
        InvalidSet: the folder's set cannot be read.
    """
    queries = _by_id(query_of(one) for one in rated)
    wanted = dict.fromkeys(document for query in queries.values() for document in query.gold_ids)
    texts = {document: text for document in wanted if (text := _text_of(document, stores))}
    chosen = [
        query
        for query in queries.values()
        if not (only_theirs and query.gold_ids and texts.keys().isdisjoint(query.gold_ids))
    ]
    needed = dict.fromkeys(document for query in chosen for document in query.gold_ids)
    documents = _added(folder / "corpus.jsonl", [texts[name] for name in needed if name in texts])
    questions = _added(folder / "queries.jsonl", chosen)
    return Exported(
        questions=questions,
        known=len(chosen) - questions,
        documents=documents,
        unread=tuple(name for name in needed if name not in texts),
        elsewhere=len(queries) - len(chosen),
    )


def query_of(rated: Rated) -> FeedbackQuery:
    """Answerable with nothing to hold an answer against: it waits for a label, see `evals.sets.Question`."""
    output = rated.output
    documents = [str(source["metadata"].get("document_id", "")) for source in output["sources"]]
    return FeedbackQuery(
        id=rated.answer_id,
        question=str(output.get("standalone_question") or rated.question),
        gold_ids=[document for document in dict.fromkeys(documents) if document],
        answers=[],
        answerable=True,
        asked=rated.question,
        answer=str(output.get("answer", "")),
        refused=bool(output.get("refused", False)),
        confidence=output.get("confidence"),
        rating=rated.rating,
        comment=rated.comment,
    )


def _by_id(queries: Iterable[FeedbackQuery]) -> Mapping[str, FeedbackQuery]:
    """One a answer, with the comments of all who marked it down."""
    found: dict[str, FeedbackQuery] = {}
    for query in queries:
        if earlier := found.get(query.id):
            both = "\n".join(filter(None, (earlier.comment, query.comment)))
            query = query.model_copy(update={"comment": both})
        found[query.id] = query
    return found


def _text_of(document_id: str, stores: Sequence[KnowledgeStore]) -> CorpusLine | None:
    for store in stores:
        if document := store.document(document_id):
            return CorpusLine(id=document_id, title=document.title, text=rejoined(store.chunks_of(document_id)))
    return None


def _added(file: Path, lines: Sequence[QueryLine | CorpusLine]) -> int:
    """How many there are now that were not there before; the file is whole at every moment."""
    known = {line.id for line in read_lines(file, _Known)} if file.exists() else set()
    new = [line for line in lines if line.id not in known]
    before = file.read_text(encoding="utf-8") if file.exists() else ""
    if before and not before.endswith("\n"):
        before += "\n"
    file.parent.mkdir(parents=True, exist_ok=True)
    written = file.with_name(f"{file.name}.new")
    written.write_text(before + "".join(f"{_as_line(line)}\n" for line in new), encoding="utf-8")
    written.replace(file)
    return len(new)


class _Known(BaseModel):
    """A line of either file."""

    id: str


def _as_line(line: BaseModel) -> str:
    return json.dumps(line.model_dump(), ensure_ascii=False)
