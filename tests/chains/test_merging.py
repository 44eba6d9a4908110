"""Neighbouring chunks become one source."""

from __future__ import annotations

from langchain_core.documents import Document

from chains.merging import as_sources, enough
from chains.retrieval import Found

TEXT = "第一句话说明产品。第二句话说明价格。第三句话说明保修。第四句话说明退货。"


def chunk(number: int, start: int, end: int, **more: object) -> Found:
    metadata = {"document_id": "d", "chunk": number, "start": start, "source": "a.md", **more}
    return Found(Document(TEXT[start:end], id=f"d-{number}", metadata=metadata), 0.5, 1.0, 0.9 - number / 10)


def test_neighbours_become_one_passage_without_what_they_share() -> None:
    (source,) = as_sources([chunk(1, 9, 27), chunk(0, 0, 18)])
    assert source["content"] == TEXT[:27]
    assert source["id"] == "d-1"
    assert source["metadata"]["merged"] == ["d-0", "d-1"]


def test_a_chunk_between_two_joins_all_three_where_it_comes_last() -> None:
    (source,) = as_sources([chunk(0, 0, 18), chunk(1, 18, 27), chunk(2, 27, 36)])
    assert source["content"] == TEXT


def test_chunks_that_do_not_touch_stay_apart_in_their_order() -> None:
    sources = as_sources([chunk(3, 27, 36), chunk(0, 0, 9)])
    assert [source["id"] for source in sources] == ["d-3", "d-0"]


def test_neighbours_on_two_pages_stay_apart() -> None:
    assert len(as_sources([chunk(0, 0, 9, page=1), chunk(1, 9, 18, page=2)])) == 2


def test_no_more_are_read_than_probably_hold_the_answer() -> None:
    sure = [Found(Document(str(n)), 0.5, 1.0, score) for n, score in enumerate((0.9, 0.01, 0.001))]
    torn = [Found(Document(str(n)), 0.5, 1.0, score) for n, score in enumerate((0.5, 0.4, 0.3, 0.2))]
    assert enough(sure, sure, 0.98) == sure[:1]
    assert enough(torn, torn, 0.98) == torn
    assert enough(torn[:2], torn, 0.98) == torn[:2]
    assert enough([], [], 0.98) == []
