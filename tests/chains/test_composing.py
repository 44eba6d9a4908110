from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chains.answers import Source
from chains.composing import Composer
from chains.prompts import REFUSALS

SOURCES: list[Source] = [
    {
        "id": "a",
        "content": "LC-200 的工作温度为 5 到 45 °C。芯片达到 105 °C 时自动断电。",
        "metadata": {},
        "score": 1.0,
    },
    {"id": "b", "content": "Version 3.5 costs 12 dollars. It runs on Linux.", "metadata": {}, "score": 1.0},
    {
        "id": "c",
        "content": "启动服务：\n```\nlarkwise serve --port 8000\nprint(rows[0])\n```\n然后打开网页。",
        "metadata": {},
        "score": 1.0,
    },
]


def composed(*pieces: str, language: str = "zh", **options: Any) -> tuple[str, Composer]:
    composer = Composer(SOURCES, "zh" if language == "zh" else "en", **options)
    text = "".join(composer.feed(piece) for piece in pieces) + composer.end()
    return text, composer


def test_a_mark_stands_before_the_full_stop_of_a_supported_sentence() -> None:
    text, composer = composed("工作温度为 5 到 45 °C。它很便宜，只要九元。")
    assert text == "工作温度为 5 到 45 °C[1]。它很便宜，只要九元[?]。"
    assert [citation["source_id"] for citation in composer.citations] == ["a", ""]
    assert composer.supported_share == 0.5


def test_a_flagged_sentence_is_among_the_citations_as_not_supported() -> None:
    _, composer = composed("它很便宜，只要九元。")
    assert composer.citations == [
        {"marker": "[?]", "source_id": "", "quote": "", "start": 0, "end": 0, "supported": False}
    ]
    assert composer.supported_share == 0


def test_there_is_a_citation_for_each_mark_in_their_order() -> None:
    text, composer = composed("工作温度为 5 到 45 °C。只要九元。105 °C 时断电。")
    assert text == "工作温度为 5 到 45 °C[1]。只要九元[?]。105 °C 时断电[1]。"
    assert [citation["marker"] for citation in composer.citations] == ["[1]", "[?]", "[1]"]


def test_an_answer_without_a_full_stop_gets_its_mark_too() -> None:
    assert composed("105 °C 断电")[0] == "105 °C 断电[1]"


def test_the_question_counts_for_an_answer_that_is_only_a_fragment() -> None:
    assert composed("105 °C。", question="芯片多少度自动断电？")[0] == "105 °C[1]。"
    assert composed("105 °C。", question="公司食堂的汤多热？")[0] == "105 °C[?]。"


@pytest.mark.parametrize(
    "marker",
    [
        "[3]",
        " [3]",
        "[12, 13]",
        "[1-3]",
        "[^1]",
        "〔1〕",
        "［1］",
        "【来源2】",
        "【2】",
        "[来源: 1]",
        "[Source 1]",
        "(source 3)",
        "（来源 2）",
        "[?]",
        "[citation]",
    ],
)
def test_the_models_own_marks_are_taken_out_however_they_come(marker: str) -> None:
    said = f"工作温度为 5 到 45 °C{marker}。"
    assert composed(said)[0] == composed(*said)[0] == "工作温度为 5 到 45 °C[1]。"


def test_a_mark_after_the_full_stop_is_taken_out_too() -> None:
    assert composed(*"It runs on Linux.[2] It costs 12 dollars. [1]", language="en")[0] == (
        "It runs on Linux[2]. It costs 12 dollars[2]."
    )


@pytest.mark.parametrize("said", ["[1]", "[1] 【来源2】", " [1]\n", "[1]。"])
def test_an_answer_of_marks_alone_becomes_a_refusal(said: str) -> None:
    text, composer = composed(said)
    assert composer.refused
    assert text == REFUSALS["zh"]


def test_half_a_mark_at_the_end_is_taken_out() -> None:
    assert composed("工作温度为 5 到 45 °C[1")[0] == "工作温度为 5 到 45 °C[1]"


def test_brackets_that_are_no_marks_stay() -> None:
    assert composed("温度（见下）为 5 到 45 °C [2004]。")[0].startswith("温度（见下）为 5 到 45 °C [2004]")


def test_a_number_in_brackets_that_a_source_has_too_is_no_mark() -> None:
    source: Source = {"id": "c", "content": "Set devices[0] to the first card.", "metadata": {}, "score": 1.0}
    composer = Composer([source], "en")
    pieces = ["Set dev", "ices", "[0", "] to the first card[2]. Then weights[12] is read."]
    text = "".join(map(composer.feed, pieces)) + composer.end()
    assert text == "Set devices[0] to the first card[1]. Then weights is read[?]."


def test_a_dot_in_a_number_or_an_abbreviation_ends_no_sentence() -> None:
    text, _ = composed("Version 3.", "5 costs 12 dollars. It runs on Linux.", language="en")
    assert text == "Version 3.5 costs 12 dollars[2]. It runs on Linux[2]."
    assert composed(*"The U.S. version costs 12 dollars.", language="en")[0].count("[") == 1


def test_words_in_quotation_marks_end_no_sentence_where_it_goes_on() -> None:
    assert composed("它喊道：「快断电！」然后停了。")[0].count("[") == 1
    assert composed(*'It says "It runs on Linux." Then it stops.', language="en")[0].count("[") == 2


@pytest.mark.parametrize(
    "said", ["根据参考资料：\n", "答案是：\n", "以下是步骤：\n", "# 温度\n", "Here is the answer:\n"]
)
def test_what_only_leads_to_the_answer_is_neither_marked_nor_counted(said: str) -> None:
    text, composer = composed(*f"{said}工作温度为 5 到 45 °C。")
    assert text == f"{said}工作温度为 5 到 45 °C[1]。"
    assert composer.supported_share == 1


def test_a_sentence_that_was_said_before_is_not_said_again() -> None:
    text, composer = composed(*"工作温度为 5 到 45 °C。芯片 105 °C 时断电。工作温度为 5 到 45 °C。芯片 105 °C 时断电。")
    assert text == "工作温度为 5 到 45 °C[1]。芯片 105 °C 时断电[1]。"
    assert len(composer.citations) == 2
    assert composed(*"- It runs on Linux\n- It runs on Linux\n", language="en")[0] == "- It runs on Linux[2]\n"


def test_a_sentence_that_begins_like_an_earlier_one_is_said_whole() -> None:
    assert composed(*"It runs on Linux. It runs on Windows.", language="en")[0] == (
        "It runs on Linux[2]. It runs on Windows[?]."
    )


def test_a_sentence_is_shown_while_it_comes() -> None:
    composer = Composer(SOURCES, "zh")
    assert composer.feed("芯片达到 105") == "芯片达到 105"


def test_code_is_proved_by_a_source_that_has_its_lines() -> None:
    said = "```bash\nlarkwise serve --port 8000\nprint(rows[0])\n```\n"
    text, composer = composed(*said)
    assert text == "```bash\nlarkwise serve --port 8000\nprint(rows[0])\n```\n[3]\n"
    assert composer.citations[0]["quote"] == "larkwise serve --port 8000\nprint(rows[0])"


def test_code_that_no_source_has_is_flagged() -> None:
    text, _ = composed(*"```\nlarkwise serve --port 9000\n```")
    assert text == "```\nlarkwise serve --port 9000\n```\n[?]"


def test_code_that_is_cut_off_is_judged_too() -> None:
    assert composed(*"```\nlarkwise serve --port 8000")[0] == "```\nlarkwise serve --port 8000\n[3]"


def test_unsupported_sentences_can_be_left_out() -> None:
    text, composer = composed(*"根据参考资料：\n它只要九元。工作温度为 5 到 45 °C。它很美。", unsupported="drop")
    assert text == "根据参考资料：\n工作温度为 5 到 45 °C[1]。"
    assert composer.supported_share == pytest.approx(1 / 3)
    assert [citation["marker"] for citation in composer.citations] == ["[1]"]


def test_code_can_be_left_out() -> None:
    assert composed(*"105 °C 时断电。\n```\nrm -rf\n```\n", unsupported="drop")[0] == "105 °C 时断电[1]。\n"


def test_where_all_is_left_out_the_answer_becomes_a_refusal() -> None:
    text, composer = composed(*"根据参考资料：\n它只要九元。", unsupported="drop")
    assert text == "根据现有资料无法回答此问题"
    assert composer.refused


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
    assert composer.feed("为 5 到 45 °C。") + composer.end() == "大家好，我来回答[?]。工作温度为 5 到 45 °C[1]。"
    assert not composer.refused


def test_in_doubt_an_answer_that_nothing_supports_becomes_a_refusal() -> None:
    composer = Composer(SOURCES, "zh", doubtful=True)
    assert composer.feed("霁虹桥的设计师是吴作人。") == ""
    assert composer.end() == "根据现有资料无法回答此问题"
    assert composer.refused
    assert composer.citations == []


@given(
    text=st.text(alphabet="ab 12.。[]【】(?`\n，”工作温度来源sre根据现有资料无法", max_size=60),
    cuts=st.lists(st.integers(0, 60), max_size=8),
    unsupported=st.sampled_from(["flag", "drop"]),
)
def test_the_pieces_that_a_text_comes_in_change_nothing(text: str, cuts: list[int], unsupported: str) -> None:
    ends = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    pieces = [text[start:end] for start, end in pairwise(ends)]
    assert composed(*pieces, unsupported=unsupported)[0] == composed(*text, unsupported=unsupported)[0]


@given(
    st.lists(
        st.sampled_from(["温度", "105 °C", "[1]", "[[2]]", "【来源2】", "(source 3)", " [4, 5]", "。", "\n", "[^1]"])
    )
)
def test_every_mark_that_is_shown_is_one_of_ours(parts: list[str]) -> None:
    text, composer = composed(*parts)
    shown = re.findall(r"\[[^\]]*\]|【.*?】|\(source 3\)", text)
    assert shown == [citation["marker"] for citation in composer.citations]
