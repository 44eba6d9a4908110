"""Cards as JSON of schema 2.0; buttons carry ids and nothing else."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

from app.feishu.markup import answer_markup, link, literal, shortened, without_mentions
from app.feishu.texts import say
from chains.language import Language

Card: TypeAlias = dict[str, Any]
Title: TypeAlias = Literal["title", "file_title"]
ANSWER = "answer"
"""The id of the element that an answer is streamed into."""
MAX_CARD_BYTES = 28_000
"""Feishu takes 30 KB; what it adds itself is not known."""
_QUESTION_CHARACTERS = 400
_QUOTE_CHARACTERS = 160
_EARLIER_CHARACTERS = 1500
"""Of each, where all of them do not fit."""
_SUMMARY_CHARACTERS = 60


@dataclass(frozen=True, slots=True)
class SourceShown:
    """A source as people see it; `marker` is its number in the answer, as `[1]`."""

    marker: str
    title: str
    place: str
    url: str
    quote: str


@dataclass(frozen=True, slots=True)
class EarlierShown:
    """An answer that was not good enough: its marks are those of its own sources."""

    answer: str
    sources: tuple[SourceShown, ...]


@dataclass(frozen=True, slots=True)
class AnswerShown:
    """
    Everything that an answer's card shows.

    `confidence` is None where it was not finished; `remark` is what the asker has to know beside the answer.
    """

    language: Language
    question: str
    answer: str
    sources: tuple[SourceShown, ...]
    confidence: float | None
    refused: bool
    mode: str
    turn: str
    answer_id: str
    earlier: tuple[EarlierShown, ...] = ()
    remark: str = ""


def streaming_card(language: Language, question: str, text: str = "") -> Card:
    """The card that appears with the first words."""
    return _card(
        language,
        [*_question(language, question), _markdown(text or say("writing", language), element_id=ANSWER)],
        config={
            "streaming_mode": True,
            "summary": {"content": say("writing", language)},
            "streaming_config": {
                "print_frequency_ms": {"default": 50},
                "print_step": {"default": 2},
                "print_strategy": "fast",
            },
        },
    )


def answer_card(shown: AnswerShown) -> Card:
    """The card that stays; where all of it would be too large, quotes and then earlier answers are left out."""
    short = tuple(replace(one, answer=shortened(one.answer, _EARLIER_CHARACTERS)) for one in shown.earlier)
    for quotes, earlier in ((True, shown.earlier), (False, short)):
        card = _answer_card(shown, quotes=quotes, earlier=earlier)
        if size(card) <= MAX_CARD_BYTES:
            return card
    return _answer_card(shown, quotes=False, earlier=())


def size(card: Card) -> int:
    """Bytes as they are sent."""
    return len(json.dumps(card, ensure_ascii=False).encode())


def note_card(language: Language, text: str, *, title: Title = "title") -> Card:
    """A card that only says something."""
    return _card(language, [_markdown(literal(text), element_id=ANSWER)], title=title)


def offer_card(language: Language, name: str, collection: str, turn: str) -> Card:
    """May this file become part of what is known?"""
    return _card(
        language,
        [
            _markdown(literal(say("file_offer", language, name, collection))),
            _buttons(
                _button(say("file_yes", language), "primary", {"action": "ingest", "turn": turn}),
                _button(say("file_no", language), "default", {"action": "decline", "turn": turn}),
            ),
        ],
        title="file_title",
    )


def answer_text(shown: AnswerShown) -> str:
    """The same as plain text, for where no card can be shown."""
    lines = [shown.answer, ""]
    for one in shown.sources:
        lines.append(" ".join(filter(None, [one.marker, one.title, one.place, one.url])))
    lines.append(_standing(shown))
    return "\n".join(lines)


def answer_post(shown: AnswerShown) -> dict[str, Any]:
    """The same as rich text."""
    paragraphs: list[list[dict[str, Any]]] = [
        [{"tag": "text", "text": without_mentions(line)}] for line in shown.answer.split("\n")
    ]
    for one in shown.sources:
        place = without_mentions(f" {one.place}") if one.place else ""
        title = without_mentions(one.title)
        named = {"tag": "a", "text": title, "href": one.url} if one.url else {"tag": "text", "text": title}
        paragraphs.append([{"tag": "text", "text": f"{one.marker} "}, named, {"tag": "text", "text": place}])
    paragraphs.append([{"tag": "text", "text": _standing(shown)}])
    locale = "zh_cn" if shown.language == "zh" else "en_us"
    return {locale: {"title": say("title", shown.language), "content": paragraphs}}


def _answer_card(shown: AnswerShown, *, quotes: bool, earlier: Sequence[EarlierShown]) -> Card:
    language = shown.language
    heading = f"**{say('answer', language)}**\n"
    elements = [
        *_question(language, shown.question),
        _markdown(heading + answer_markup(shown.answer), element_id=ANSWER),
    ]
    if shown.sources:
        lines = [_source(one, quotes=quotes) for one in shown.sources]
        panel = say("sources", language, len(lines))
        elements.append(_panel(panel, lines, expanded=not shown.refused and len(lines) <= 2))
    for number, one in enumerate(earlier, start=1):
        sources = "\n".join(_source(source, quotes=False) for source in one.sources)
        contents = [answer_markup(one.answer), *([sources] if sources else [])]
        elements.append(_panel(say("earlier", language, number), contents))
    elements.append(_markdown(f"<font color='grey'>{literal(_standing(shown))}</font>", text_size="notation"))
    ids = {"turn": shown.turn, "answer_id": shown.answer_id}
    elements.append(
        _buttons(
            _button(say("helpful", language), "primary", {"action": "thumbs_up", **ids}),
            _button(say("not_helpful", language), "default", {"action": "thumbs_down", **ids}),
            _button(say("regenerate", language), "default", {"action": "regenerate", **ids}),
        )
    )
    summary = {"summary": {"content": shortened(shown.answer, _SUMMARY_CHARACTERS)}}
    return _card(language, elements, config=summary, template="grey" if shown.refused else "blue")


def _standing(shown: AnswerShown) -> str:
    """How far the answer can be trusted, in words."""
    language = shown.language
    if shown.refused:
        said = say("refused", language)
    elif shown.confidence is None:
        said = say("unfinished", language)
    else:
        said = say("confidence", language, round(100 * shown.confidence))
    extractive = say("extractive", language) if shown.mode == "extractive" and not shown.refused else ""
    return " · ".join(filter(None, (said, extractive, shown.remark)))


def _source(one: SourceShown, *, quotes: bool) -> str:
    place = f" · {literal(one.place)}" if one.place else ""
    named = f"{literal(one.marker)} {link(one.title, one.url)}{place}"
    if not quotes or not one.quote:
        return named
    return f"{named}\n<font color='grey'>{literal(shortened(one.quote, _QUOTE_CHARACTERS))}</font>"


def _card(
    language: Language,
    elements: list[dict[str, Any]],
    *,
    config: Mapping[str, Any] | None = None,
    template: str = "blue",
    title: Title = "title",
) -> Card:
    return {
        "schema": "2.0",
        "config": {"update_multi": True, "width_mode": "fill", **(config or {})},
        "header": {"title": {"tag": "plain_text", "content": say(title, language)}, "template": template},
        "body": {"elements": elements},
    }


def _question(language: Language, question: str) -> list[dict[str, Any]]:
    asked = literal(shortened(question, _QUESTION_CHARACTERS))
    return [_markdown(f"**{say('question', language)}** {asked}"), {"tag": "hr"}]


def _markdown(content: str, **more: Any) -> dict[str, Any]:
    return {"tag": "markdown", "content": content, **more}


def _panel(title: str, contents: Sequence[str], *, expanded: bool = False) -> dict[str, Any]:
    return {
        "tag": "collapsible_panel",
        "expanded": expanded,
        "header": {"title": {"tag": "plain_text", "content": title}},
        "border": {"color": "grey", "corner_radius": "5px"},
        "elements": [_markdown(content) for content in contents],
    }


def _buttons(*buttons: dict[str, Any]) -> dict[str, Any]:
    columns = [{"tag": "column", "width": "auto", "elements": [button]} for button in buttons]
    return {"tag": "column_set", "flex_mode": "flow", "columns": columns}


def _button(text: str, kind: str, value: Mapping[str, str]) -> dict[str, Any]:
    return {
        "tag": "button",
        "text": {"tag": "plain_text", "content": text},
        "type": kind,
        "behaviors": [{"type": "callback", "value": dict(value)}],
    }
