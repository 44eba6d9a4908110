"""The same thing is not given twice where something else answers as well."""

from __future__ import annotations

from langchain_core.documents import Document

from chains.diversity import diverse
from chains.retrieval import Found


def found(text: str, score: float) -> Found:
    return Found(Document(text, id=text), 0.5, 1.0, score)


FIRST = found("The warranty of the router lasts two years.", 0.9)
AGAIN = found("The warranty of the router lasts two full years.", 0.8)
OTHER = found("Repairs are free within the first month.", 0.7)


def test_without_a_weight_the_order_stays() -> None:
    assert diverse([FIRST, AGAIN, OTHER], 2, 0.0) == [FIRST, AGAIN]


def test_with_one_a_repetition_gives_way() -> None:
    assert diverse([FIRST, AGAIN, OTHER], 2, 0.5) == [FIRST, OTHER]


def test_all_come_where_all_are_asked_for() -> None:
    assert set(map(id, diverse([FIRST, AGAIN, OTHER], 9, 0.5))) == {id(FIRST), id(AGAIN), id(OTHER)}
    assert diverse([], 3, 0.5) == []
