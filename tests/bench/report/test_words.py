"""Both languages say the same things, and every character of them can be drawn."""

from __future__ import annotations

import string

import pytest

from bench.report.lettering import lettering
from bench.report.plots import Names, short_names
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
    assert [letter for letter in set(texts) if not letters.can_draw(letter)] == []


def test_a_name_that_cannot_be_drawn_is_replaced() -> None:
    names = short_names(["量化 int8", "\U00020000"], "配置", lettering())  # that one is in the largest fonts only

    assert names == {"量化 int8": "量化 int8", "\U00020000": "配置 2"}


def test_names_that_are_alike_at_both_ends_are_numbered_and_explained() -> None:
    long = [f"larkwise-int8-per-channel-variant-no{number}x-{'y' * 14}" for number in range(3)]
    names = Names(short_names([*long, "Qwen2.5-Coder-1.5-Instruct int8"], "variant", lettering()), {})

    assert list(names.variants.values()) == ["variant 1", "variant 2", "variant 3", "Qwen2.5-Coder…-Instruct int8"]
    assert names.key()["variant 2"] == long[1]


def test_measures_have_names() -> None:
    assert Words("zh").measure("ttft", 95) == "TTFT P95"
    assert Words("en").measure("latency") == "whole answer"
