"""An answer that was kept, as people see it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlsplit

from app.feishu.cards import AnswerShown, EarlierShown, SourceShown
from app.feishu.texts import say
from chains.answers import Citation, Source
from chains.language import Language, language_of
from ingest.stores.port import StoredDocument

LinkOf = Callable[[str, str], str]
"""From a collection and a document's id to an address where people can read it; empty where there is none."""


def shown_answer(
    output: dict[str, Any], *, question: str, turn: int, link_of: LinkOf, earlier: Sequence[dict[str, Any]] = ()
) -> AnswerShown:
    """Of a chain's output; `earlier` are those of the answers before it."""
    language = language_of(question)
    confidence = output.get("confidence")
    return AnswerShown(
        language=language,
        question=question,
        answer=_text(output, language),
        sources=_sources(output, language, link_of),
        confidence=None if confidence is None else float(confidence),
        refused=bool(output.get("refused")),
        mode=str(output.get("mode", "")),
        turn=str(turn),
        answer_id=str(output.get("answer_id", "")),
        earlier=tuple(EarlierShown(_text(one, language), _sources(one, language, link_of)) for one in earlier),
        remark=str(output.get("remark", "")),
    )


def page_of(document: StoredDocument) -> str:
    """The address of a document that was read from the web, or from Feishu."""
    return next((one.key for one in document.sources if urlsplit(one.key).scheme in ("http", "https")), "")


def _text(output: dict[str, Any], language: Language) -> str:
    answer = str(output.get("answer", ""))
    return f"{answer} {say('stopped', language)}" if output.get("stopped") else answer


def _sources(output: dict[str, Any], language: Language, link_of: LinkOf) -> tuple[SourceShown, ...]:
    """Those that are cited; where none is, all, since they are the nearest that there is."""
    citations: list[Citation] = output.get("citations") or []
    sources: list[Source] = output.get("sources") or []
    collection = str(output["collection"])
    cited = {one["source_id"] for one in citations if one["supported"]}
    return tuple(
        SourceShown(
            marker=f"[{number}]",
            title=str(one["metadata"].get("title") or one["metadata"].get("source") or one["id"]),
            place=_place(one["metadata"], language),
            url=link_of(collection, str(one["metadata"].get("document_id") or "")),
            quote=next((mark["quote"] for mark in citations if mark["source_id"] == one["id"]), ""),
        )
        for number, one in enumerate(sources, start=1)
        if not cited or one["id"] in cited
    )


def _place(metadata: dict[str, Any], language: Language) -> str:
    parts = [str(metadata.get("headings") or "")]
    if page := metadata.get("page") or metadata.get("slide"):
        parts.append(say("page", language, page))
    if sheet := metadata.get("sheet"):
        parts.append(str(sheet))
    return " · ".join(part for part in parts if part)
