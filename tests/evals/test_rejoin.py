"""A document's text from its chunks."""

from __future__ import annotations

from langchain_core.documents import Document

from evals.rejoin import rejoined
from ingest.splitter import SplitterSettings, split


def chunk(text: str, start: int, **metadata: str | int) -> Document:
    return Document(text, metadata={"start": start, **metadata})


def test_what_chunks_share_stands_there_once() -> None:
    text = "".join(f"第{number}句话说的是第{number}件事。" for number in range(60))
    chunks = list(split([Document(text)], SplitterSettings(chunk_size=100, chunk_overlap=30)))

    assert len(chunks) > 5
    assert rejoined(chunks) == text


def test_where_the_splitter_dropped_a_line_end_there_is_one() -> None:
    paragraphs = "\n".join(f"The paragraph {number} says this and that." for number in range(20))
    chunks = list(split([Document(paragraphs)], SplitterSettings(chunk_size=80, chunk_overlap=0)))

    assert rejoined(chunks) == paragraphs


def test_a_new_section_begins_after_an_empty_line() -> None:
    first, second = chunk("# A\none", 0, headings="A"), chunk("# B\ntwo", 0, headings="B")
    assert rejoined([first, second]) == "# A\none\n\n# B\ntwo"


def test_so_does_a_new_page_whose_chunk_seems_to_begin_within_the_last() -> None:
    assert rejoined([chunk("abcdef", 0), chunk("xyz", 2)]) == "abcdef\n\nxyz"
    assert rejoined([chunk("abc", 0, page=1), chunk("abc", 3, page=2)]) == "abc\n\nabc"


def test_chunks_that_do_not_say_where_they_begin_follow_each_other() -> None:
    assert rejoined([Document("one"), Document("two")]) == "one\n\ntwo"


def test_no_chunks_are_no_text() -> None:
    assert rejoined([]) == ""
