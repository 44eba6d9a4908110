from __future__ import annotations

from chains.answers import Source
from chains.citations import cite


def source(content: str, name: str = "s") -> Source:
    return {"id": name, "content": content, "metadata": {}, "score": 1.0}


TEMPERATURE = source("LC-200 的工作温度为 5 到 45 °C。芯片达到 105 °C 时自动断电。", "temperature")
REFUND = source("Unopened cards can be returned within 15 days. Opened ones cost a fee of 12 percent.", "refund")


def test_a_sentence_is_tied_to_the_source_that_it_shares_words_and_numbers_with() -> None:
    citation = cite("芯片在 105 °C 时断电", [REFUND, TEMPERATURE])
    assert citation is not None
    assert (citation["marker"], citation["source_id"]) == ("[2]", "temperature")
    assert citation["quote"] == "芯片达到 105 °C 时自动断电。"
    assert TEMPERATURE["content"][citation["start"] : citation["end"]] == citation["quote"]


def test_the_quote_is_the_sentence_that_shares_most() -> None:
    citation = cite("The fee is 12 percent", [REFUND])
    assert citation is not None
    assert citation["quote"] == "Opened ones cost a fee of 12 percent."


def test_a_sentence_with_a_number_that_no_source_has_gets_no_mark() -> None:
    assert cite("芯片在 110 °C 时自动断电", [TEMPERATURE]) is None
    assert cite("Cards can be returned within 30 days", [REFUND]) is None


def test_a_sentence_about_something_else_gets_no_mark() -> None:
    assert cite("公司食堂八点开门", [TEMPERATURE, REFUND]) is None
    assert cite("", [TEMPERATURE]) is None
    assert cite("anything", []) is None


def test_of_two_equal_sources_the_one_that_ranks_higher_is_named() -> None:
    citation = cite("断电", [TEMPERATURE, TEMPERATURE])
    assert citation is not None
    assert citation["marker"] == "[1]"
