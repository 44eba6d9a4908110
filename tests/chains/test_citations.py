from __future__ import annotations

import time
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chains.answers import Citation, Source
from chains.citations import cite, cite_code
from chains.citing.claims import claim
from chains.citing.spans import windows


def source(content: str, name: str = "s", title: str = "") -> Source:
    return {"id": name, "content": content, "metadata": {"title": title}, "score": 1.0}


TEMPERATURE = source("LC-200 的工作温度为 5 到 45 °C。芯片达到 105 °C 时自动断电。", "temperature")
REFUND = source("Unopened cards can be returned within 15 days. Opened ones cost a fee of 12 percent.", "refund")
TOWN = source(
    "罗店镇位于县城以南。1959年设罗店管理区，1979年改为罗店人民公社。全镇人口不到两万，主要种植水稻。", "town"
)


def quote_of(citation: Citation | None) -> str:
    assert citation is not None
    return citation["quote"]


def test_a_sentence_is_tied_to_the_source_that_it_shares_words_and_numbers_with() -> None:
    citation = cite("芯片在 105 °C 时断电", [REFUND, TEMPERATURE])
    assert citation is not None
    assert (citation["marker"], citation["source_id"]) == ("[2]", "temperature")
    assert citation["quote"] == "芯片达到 105 °C 时自动断电。"
    assert TEMPERATURE["content"][citation["start"] : citation["end"]] == citation["quote"]


def test_the_quote_is_the_sentence_that_shares_most() -> None:
    assert quote_of(cite("The fee is 12 percent", [REFUND])) == "Opened ones cost a fee of 12 percent."


def test_a_claim_made_of_two_sentences_is_quoted_with_both() -> None:
    said = "Unopened cards can be returned within 15 days and opened ones cost a fee of 12 percent"
    assert quote_of(cite(said, [REFUND])) == REFUND["content"]


@pytest.mark.parametrize(
    "said",
    [
        "芯片在 110 °C 时自动断电",
        "芯片达到 105 °C 时不断电，不自动关机",
        "LC-300 的工作温度为 5 到 45 °C",
        "工作温度为 5 到 45 公里",
        "Cards can be returned within 30 days",
        "Opened ones never cost a fee of 12 percent",
        "公司食堂八点开门",
        "",
    ],
)
def test_a_sentence_that_a_source_does_not_say_gets_no_mark(said: str) -> None:
    assert cite(said, [TEMPERATURE, REFUND]) is None
    assert cite(said, []) is None


@pytest.mark.parametrize(
    ("question", "answer", "quote"),
    [
        ("罗店哪一年改为人民公社？", "1979年。", "1959年设罗店管理区，1979年改为罗店人民公社。"),
        ("罗店镇种植什么？", "水稻", "全镇人口不到两万，主要种植水稻。"),
        ("罗店镇种植水稻吗？", "是的，主要种植水稻。", "全镇人口不到两万，主要种植水稻。"),
        ("How many days for unopened cards?", "15 days.", "Unopened cards can be returned within 15 days."),
        ("How many days for unopened cards?", "Fifteen.", "Unopened cards can be returned within 15 days."),
    ],
)
def test_a_fragment_is_proved_together_with_its_question(question: str, answer: str, quote: str) -> None:
    assert quote_of(cite(answer, [TEMPERATURE, REFUND, TOWN], question=question)) == quote


def test_a_mere_yes_claims_what_the_question_asks() -> None:
    assert "主要种植水稻。" in quote_of(cite("是的。", [TEMPERATURE, TOWN], question="罗店镇种植水稻吗？"))


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("罗店哪一年改为人民公社？", "1980年。"),
        ("罗店哪一年改为人民公社？", "1959年。"),
        ("芯片的价格是多少？", "水稻"),
        ("罗店镇种植小麦和玉米吗？", "是的。"),
    ],
)
def test_a_wrong_fragment_is_not_proved(question: str, answer: str) -> None:
    assert cite(answer, [TEMPERATURE, TOWN], question=question) is None


def test_what_a_sentence_only_repeats_of_the_question_proves_nothing() -> None:
    assert cite("罗店镇种植棉花", [TOWN], question="罗店镇种植什么？") is None


def test_a_word_changed_in_a_long_copied_sentence_is_seen() -> None:
    said = "1959年设罗店管理区，1979年改为罗店人民公社，全镇主要种植水稻"
    assert cite(said, [TOWN]) is not None
    assert cite(said.replace("水稻", "小麦"), [TOWN]) is None


def test_a_title_counts_as_context_and_is_never_quoted() -> None:
    basin = source("It encompasses 7,000,000 square kilometres.", title="Amazon Basin")
    said = "The Amazon Basin encompasses 7,000,000 km²."
    assert quote_of(cite(said, [basin])) == basin["content"]
    assert cite("It is about the Amazon Basin", [basin]) is None


def test_a_row_of_a_table_is_quoted_with_its_header_as_context() -> None:
    table = source("价格如下：\n\n| 型号 | 功耗 |\n|---|---|\n| LC-100 | 60 W |\n| LC-200 | 75 W |\n")
    assert quote_of(cite("LC-200 的功耗为 75 W", [table])) == "| LC-200 | 75 W |"
    assert cite("LC-200 的功耗为 60 W", [table]) is None


def test_of_two_equal_sources_the_one_that_ranks_higher_is_named() -> None:
    citation = cite("断电", [TEMPERATURE, TEMPERATURE])
    assert citation is not None
    assert citation["marker"] == "[1]"


def test_nearness_in_meaning_is_asked_once_and_only_where_words_leave_it_open() -> None:
    asked: list[int] = []

    def similarity(text: str, passages: Sequence[str]) -> list[float]:
        asked.append(len(passages))
        return [0.9] * len(passages)

    assert cite("芯片在 105 °C 时断电", [TEMPERATURE], similarity=similarity)
    assert asked == []
    assert cite("The chip cuts its power at 105 °C", [TEMPERATURE], similarity=similarity)
    assert asked == [1]


def test_an_answer_in_the_other_language_needs_nearness_and_the_same_numbers() -> None:
    near = lambda text, passages: [0.6] * len(passages)  # noqa: E731
    far = lambda text, passages: [0.1] * len(passages)  # noqa: E731
    assert (
        quote_of(cite("It cuts the power at 105 °C", [TEMPERATURE], similarity=near)) == "芯片达到 105 °C 时自动断电。"
    )
    assert cite("It cuts the power at 105 °C", [TEMPERATURE], similarity=far) is None
    assert cite("It cuts the power at 110 °C", [TEMPERATURE], similarity=near) is None
    assert cite("It cuts the power at 105 °C", [TEMPERATURE]) is None


def test_code_is_proved_by_its_lines() -> None:
    guide = source("先安装：\n\n    pip install larkwise\n    larkwise serve\n")
    citation = cite_code("pip install larkwise\nlarkwise serve\n", [TEMPERATURE, guide])
    assert citation is not None
    assert citation["marker"] == "[2]"
    assert guide["content"][citation["start"] : citation["end"]] == "pip install larkwise\n    larkwise serve"
    assert cite_code("pip install larkwise==2\n", [guide]) is None


@pytest.mark.parametrize(
    ("sentence", "said"),
    [
        ("- **安装**", "安装"),
        ("1. 运行它", "运行它"),
        ("20.1倍", "20.1倍"),
        ("根据参考资料，它是 5 度", "它是 5 度"),
        ("是的，它是 5 度", "它是 5 度"),
        ("The reference material states that it is red", "it is red"),
        ("Yes, it is red", "it is red"),
        ("根据参考资料：", ""),
        ("Here is the answer:", ""),
        ("## 温度", ""),
        ("---", ""),
        ("从上海出发", "从上海出发"),
    ],
)
def test_a_claim_is_what_remains_without_the_words_that_lead_to_it(sentence: str, said: str) -> None:
    assert claim(sentence) == said


def test_passages_are_up_to_three_neighbouring_sentences() -> None:
    content = 'The U.S. fleet sailed. Dr. Smith said "no." It rose by 3.5 percent!'
    passages = [content[window[0].start : window[-1].end] for window in windows(content)]
    assert passages == [
        "The U.S. fleet sailed.",
        'Dr. Smith said "no."',
        "It rose by 3.5 percent!",
        'The U.S. fleet sailed. Dr. Smith said "no."',
        'Dr. Smith said "no." It rose by 3.5 percent!',
        content,
    ]


def test_a_sentence_that_never_ends_is_quoted_in_part() -> None:
    content = "很长的一句话，" * 100
    assert all(window[-1].end - window[0].start <= 300 for window in windows(content))


@given(
    said=st.text(
        alphabet="是的不没三十万亿百分之一第年月日比年1234567890,.:-/%|#* \nLC百次one two第thousand《》“”[]",
        max_size=40,
    ),
    content=st.text(
        alphabet="是的不没三十万亿百分之一第年月日。；1234567890,.:-/%|#* \nLC百次one two第thousand《》“”[]",
        max_size=80,
    ),
)
def test_whatever_is_said_the_quote_is_what_stands_there(said: str, content: str) -> None:
    citation = cite(said, [source(content)], question="多少 LC?")
    if citation is not None:
        assert citation["quote"] == content[citation["start"] : citation["end"]]
        assert citation["quote"].strip()


def test_a_sentence_is_judged_in_milliseconds() -> None:
    sources = [source(f"第{n}段。" + "这里说的是另一件完全不同的事情，与问题没有关系。" * 22) for n in range(4)]
    cite("芯片在 105 °C 时断电", sources, question="芯片多少度断电？")

    began = time.perf_counter()
    for degrees in range(20):
        cite(f"芯片在 {degrees} °C 时断电", sources, question="芯片多少度断电？")

    assert (time.perf_counter() - began) / 20 < 0.1  # 0.005 on an idle machine
