"""Both languages say the same things, and every character of them can be drawn."""

from __future__ import annotations

import string

import pytest

from bench.report.lettering import lettering
from bench.report.words import TEXTS, Lang, Words


def facts_in(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def test_both_languages_have_the_same_sentences() -> None:
    assert TEXTS["zh"].keys() == TEXTS["en"].keys()


def test_a_sentence_names_the_same_facts_in_both() -> None:
    differing = [key for key in TEXTS["zh"] if facts_in(TEXTS["zh"][key]) != facts_in(TEXTS["en"][key])]

    assert differing == []


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_every_character_can_be_drawn_without_a_font_of_the_machine(lang: Lang) -> None:
    letters = lettering()
    own = letters.families[:2]

    assert own == ("DejaVu Sans", "Larkwise Sans SC")
    texts = "".join(TEXTS[lang].values()) + "配置模型一二三四五六七八九十"
    assert [letter for letter in set(texts) if letters.shown(letter, "") == ""] == []


def test_a_name_that_cannot_be_drawn_is_replaced() -> None:
    assert lettering().shown("量化 int8", "2") == "量化 int8"
    assert lettering().shown("\U00020000", "2") == "2"  # a character that only the largest fonts have


def test_measures_have_names() -> None:
    assert Words("zh").measure("ttft", 95) == "TTFT P95"
    assert Words("en").measure("latency") == "whole answer"
