from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chains.answers import Source
from chains.composing import Composer

SOURCES: list[Source] = [
    {
        "id": "a",
        "content": "LC-200 的工作温度为 5 到 45 °C。芯片达到 105 °C 时自动断电。",
        "metadata": {},
        "score": 1.0,
    },
    {"id": "b", "content": "Version 3.5 costs 12 dollars. It runs on Linux.", "metadata": {}, "score": 1.0},
]


def composed(*pieces: str, language: str = "zh") -> tuple[str, Composer]:
    composer = Composer(SOURCES, "zh" if language == "zh" else "en")
    text = "".join(composer.feed(piece) for piece in pieces) + composer.end()
    return text, composer


def test_a_mark_stands_before_the_full_stop_of_a_supported_sentence() -> None:
    text, composer = composed("工作温度为 5 到 45 °C。它很便宜，只要九元。")
    assert text == "工作温度为 5 到 45 °C[1]。它很便宜，只要九元。"
    assert [citation["source_id"] for citation in composer.citations] == ["a"]
    assert composer.supported_share == 0.5


def test_an_answer_without_a_full_stop_gets_its_mark_too() -> None:
    assert composed("105 °C 断电")[0] == "105 °C 断电[1]"


def test_the_models_own_marks_are_taken_out() -> None:
    assert composed("工作温度为 5 到 45 °C[3]。")[0] == "工作温度为 5 到 45 °C[1]。"
    assert composed("工作温度为 5 到 45 °C【来源", "2】。")[0] == "工作温度为 5 到 45 °C[1]。"


def test_a_number_in_brackets_that_a_source_has_too_is_no_mark() -> None:
    source: Source = {"id": "c", "content": "Set devices[0] to the first card.", "metadata": {}, "score": 1.0}
    composer = Composer([source], "en")
    pieces = ["Set dev", "ices", "[0", "] to the first card[2]. Then weights[12] is read."]
    text = "".join(map(composer.feed, pieces)) + composer.end()
    assert text == "Set devices[0] to the first card[1]. Then weights is read."


def test_a_dot_in_a_number_ends_no_sentence() -> None:
    text, _ = composed("Version 3.", "5 costs 12 dollars. It runs on Linux.", language="en")
    assert text == "Version 3.5 costs 12 dollars[2]. It runs on Linux[2]."


@pytest.mark.parametrize(
    "said",
    [
        "根据现有资料无法回答此问题",
        "抱歉，参考资料中没有提到。",
        "“根据现有资料无法回答此问题”。",
        "参考资料中没有提到这个。",
        "",
        "  \n",
    ],
)
def test_a_refusal_is_said_in_the_contracts_words(said: str) -> None:
    text, composer = composed(*said)
    assert text == "根据现有资料无法回答此问题"
    assert composer.refused
    assert composer.citations == []


def test_an_english_refusal() -> None:
    text, composer = composed(*"The documents do not answer this question.", language="en")
    assert text == "The documents do not answer this question."
    assert composer.refused


def test_an_answer_that_begins_like_a_refusal_is_shown_whole() -> None:
    text, composer = composed(*"根据现有资料，工作温度为 5 到 45 °C。")
    assert text == "根据现有资料，工作温度为 5 到 45 °C[1]。"
    assert not composer.refused


def test_in_doubt_nothing_is_shown_before_a_sentence_is_supported() -> None:
    composer = Composer(SOURCES, "zh", doubtful=True)
    assert composer.feed("大家好，我来回答。工作温度") == ""
    assert composer.feed("为 5 到 45 °C。") + composer.end() == "大家好，我来回答。工作温度为 5 到 45 °C[1]。"
    assert not composer.refused


def test_in_doubt_an_answer_that_nothing_supports_becomes_a_refusal() -> None:
    composer = Composer(SOURCES, "zh", doubtful=True)
    assert composer.feed("霁虹桥的设计师是吴作人。") == ""
    assert composer.end() == "根据现有资料无法回答此问题"
    assert composer.refused


@given(
    text=st.text(alphabet="ab 12.。[]【】\n，工作温度根据现有资料无法", max_size=60),
    cuts=st.lists(st.integers(0, 60), max_size=8),
)
def test_the_pieces_that_a_text_comes_in_change_nothing(text: str, cuts: list[int]) -> None:
    ends = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    pieces = [text[start:end] for start, end in pairwise(ends)]
    assert composed(*pieces)[0] == composed(*text)[0]
