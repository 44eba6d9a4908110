"""Cards say what they should, and nothing that somebody else has written becomes markup."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.feishu.cards import (
    MAX_CARD_BYTES,
    AnswerShown,
    EarlierShown,
    SourceShown,
    answer_card,
    answer_post,
    answer_text,
    offer_card,
    size,
    streaming_card,
)
from app.feishu.markup import answer_markup, link, literal

SOURCE = SourceShown(
    "[1]", "refunds", "Refunds > Deadline · page 3", "https://kb.example.com/a_(b)", "A card can be returned."
)


def shown(**changes: object) -> AnswerShown:
    values: dict[str, object] = {
        "language": "en",
        "question": "How long?",
        "answer": "15 days [1].",
        "sources": (SOURCE,),
        "confidence": 0.824,
        "refused": False,
        "mode": "generated",
        "turn": "12",
        "answer_id": "abc",
        **changes,
    }
    return AnswerShown(**values)  # type: ignore[arg-type]


def buttons(card: object) -> list[dict[str, str]]:
    found = []
    if isinstance(card, dict):
        if card.get("tag") == "button":
            found.append(card["behaviors"][0]["value"])
        for one in card.values():
            found += buttons(one)
    elif isinstance(card, list):
        for one in card:
            found += buttons(one)
    return found


def test_an_answers_card_shows_question_answer_source_and_confidence() -> None:
    card = json.dumps(answer_card(shown()), ensure_ascii=False)
    for part in (
        "How long?",
        "15 days [1].",
        "refunds",
        "Refunds &#62; Deadline",
        "page 3",
        "Confidence 82%",
        "A card can be",
    ):
        assert part in card
    assert "https://kb.example.com/a_%28b%29" in card


def test_buttons_carry_ids_and_nothing_else() -> None:
    ids = {"turn": "12", "answer_id": "abc"}
    assert buttons(answer_card(shown())) == [
        {"action": "thumbs_up", **ids},
        {"action": "thumbs_down", **ids},
        {"action": "regenerate", **ids},
    ]
    assert buttons(offer_card("zh", "a.pdf", "default", "7")) == [
        {"action": "ingest", "turn": "7"},
        {"action": "decline", "turn": "7"},
    ]


def test_a_refusal_claims_no_confidence() -> None:
    card = json.dumps(answer_card(shown(refused=True, confidence=0.3)), ensure_ascii=False)
    assert "Not found in the documents" in card
    assert "30%" not in card


def test_an_answer_that_was_not_finished_claims_no_confidence() -> None:
    said = answer_text(shown(confidence=None))
    assert "Not finished" in said
    assert "0%" not in said


def test_what_the_asker_has_to_know_stands_beside_the_confidence() -> None:
    card = json.dumps(answer_card(shown(remark="The image is missing")), ensure_ascii=False)
    assert "Confidence 82% · The image is missing" in card


def test_an_earlier_answer_stays_to_be_seen_with_the_sources_that_its_marks_mean() -> None:
    old = replace(SOURCE, title="old price list", url="https://kb.example.com/old")
    card = answer_card(shown(earlier=(EarlierShown("within a week [1]", (old,)),)))
    [_, panel] = [one for one in card["body"]["elements"] if one["tag"] == "collapsible_panel"]
    assert [one["content"] for one in panel["elements"]] == [
        "within a week [1]",
        "&#91;1&#93; [old price list](https://kb.example.com/old) · Refunds &#62; Deadline · page 3",
    ]


@pytest.mark.parametrize(
    ("words", "length", "kept"),
    [(10, 5_000, ["x" * 5_000] * 4), (10, 9_000, ["x" * 1_499 + "…"] * 4), (5_000, 9_000, [])],
)
def test_a_card_that_would_be_too_large_does_without_quotes_and_then_without_earlier_answers(
    words: int, length: int, kept: list[str]
) -> None:
    card = answer_card(shown(answer="word " * words, earlier=(EarlierShown("x" * length, ()),) * 4))
    panels = [one["elements"] for one in card["body"]["elements"] if one["tag"] == "collapsible_panel"]
    assert size(card) <= MAX_CARD_BYTES
    assert [panel[0]["content"] for panel in panels[1:]] == kept
    assert ("A card can be" in panels[0][0]["content"]) == (kept == ["x" * 5_000] * 4)


def test_a_streaming_card_can_be_streamed_into() -> None:
    card = streaming_card("zh", "多久？")
    assert card["config"]["streaming_mode"] is True
    assert [one.get("element_id") for one in card["body"]["elements"]][-1] == "answer"


def test_without_a_card_text_and_rich_text_say_the_same() -> None:
    for said in (answer_text(shown()), json.dumps(answer_post(shown()))):
        for part in ("15 days [1].", "refunds", "page 3", "https://kb.example.com/a_(b)", "Confidence 82%"):
            assert part in said


@pytest.mark.parametrize(
    "dangerous", ["<at id=all></at>", "![x](https://evil/x.png)", "[a](b)", "# big", "**b**", "| a | b |", "`c`"]
)
def test_what_others_have_written_is_shown_as_it_is(dangerous: str) -> None:
    assert not set(literal(dangerous)) & set("<>*_~[]()`|\\$!")


def test_no_address_hides_behind_other_words_of_an_answer() -> None:
    marked = answer_markup("Reset it at [https://sso.example.com](https://evil.example) [1].")
    assert marked == "Reset it at [https://sso.example.com]&#40;https://evil.example) [1]."


def test_an_answer_keeps_its_emphasis_and_loses_tags_pictures_and_tables() -> None:
    marked = answer_markup("**yes** <at id=all></at> ![x](u) | a |")
    assert marked.startswith("**yes** ")
    assert "<" not in marked
    assert "![" not in marked
    assert "|" not in marked


@given(st.text(), st.integers(0, 50))
def test_a_longer_answers_markup_begins_with_the_shorter_ones(text: str, length: int) -> None:
    assert answer_markup(text).startswith(answer_markup(text[:length]))


def test_a_link_holds_no_bracket_that_would_end_it() -> None:
    assert link("a]b", "https://x/(1) 2") == "[a&#93;b](https://x/%281%29%202)"
