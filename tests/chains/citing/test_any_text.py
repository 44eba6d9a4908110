"""Whatever stands in a document or comes from a model is no error."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chains.answers import Source
from chains.citations import cite
from chains.citing.units import unit_at
from chains.composing import Composer

WORDS = """
    3 12 1,234.5 三十二 二〇二四 两百 第三 半 1949年10月1日 October 1949-10-01 % km 公里 weeks ſeconds K ℃
    $ HK$ kB 5G LC-200
    《手册》 「名」 不 没有 not n't no [1] 【来源2】 [^1] ``` | --- 。 . ! ？ ; ： : , ， - – / ( ) “ ” the
    Doctor Who 芯片 断电 é İ ß 🤖 \u200b
"""
PIECES = st.sampled_from([*WORDS.split(), "\n", " ", "\t", "\r\n", "\u3000", "\u00a0"])
TEXTS = st.lists(PIECES, max_size=40).map("".join) | st.text(max_size=60)


def source(text: str) -> Source:
    return {"id": "s", "content": text, "metadata": {"title": "T"}, "score": 0.5}


@settings(max_examples=300, deadline=None)
@given(sentence=TEXTS, question=TEXTS, content=TEXTS)
def test_a_citation_is_a_quote_of_its_source_or_there_is_none(sentence: str, question: str, content: str) -> None:
    def similarity(one: str, others: object) -> list[float]:
        return [0.9 for _ in others]  # type: ignore[attr-defined]

    for near in (None, similarity):
        found = cite(sentence, [source(content)], question=question, similarity=near)
        assert found is None or content[found["start"] : found["end"]] == found["quote"]


@settings(max_examples=300, deadline=None)
@given(pieces=st.lists(TEXTS, max_size=6), content=TEXTS, doubtful=st.booleans(), drop=st.booleans())
def test_an_answer_in_any_pieces_is_composed(pieces: list[str], content: str, doubtful: bool, drop: bool) -> None:
    composer = Composer(
        [source(content)], "zh", doubtful=doubtful, question="？", unsupported="drop" if drop else "flag"
    )
    shown = "".join(map(composer.feed, pieces)) + composer.end()
    assert shown.strip() or composer.refused or not "".join(pieces).strip()


@pytest.mark.parametrize(("text", "unit"), [("3\nweeks", "week"), ("3 weeks", "week"), ("3 ſeconds", "second")])
def test_a_unit_may_stand_in_the_next_line(text: str, unit: str) -> None:
    assert unit_at(text, 0, 1) == unit
