"""Right chunks, and how hard a question is."""

from __future__ import annotations

from pathlib import Path

import pytest
from langchain_core.documents import Document

from evals.golds import Gold, holds, is_right
from evals.sets import FolderSet, Question

SET = FolderSet(Path("nowhere"))
ASKED = Question("q", "哪年？", True, ("1985 年",), ("d1",))


def gold(question: str, *chunks: str, zh: bool = True) -> Gold:
    documents = tuple(Document(text, id=str(number)) for number, text in enumerate(chunks))
    return Gold(question, documents, frozenset({"d"}), frozenset({"zh" if zh else "en"}))


def test_spaces_and_line_ends_do_not_count_and_everything_else_does() -> None:
    assert holds("成立于1985\n年。", ["1985 年"])
    assert holds("the red  fox", ["grey wolf", "red fox"])
    assert not holds("53 of them", ["53%"])
    assert not holds("It was Mitosis", ["mitosis"])
    assert not holds("anything", ["", " "])


def test_a_right_chunk_is_of_a_gold_document_and_contains_an_answer() -> None:
    assert is_right("在 1985 年", {"source": "d1/t.txt"}, ASKED, SET)
    assert not is_right("在 1986 年", {"source": "d1/t.txt"}, ASKED, SET)
    assert not is_right("在 1985 年", {"source": "d2/t.txt"}, ASKED, SET)


def test_a_document_that_was_found_twice_is_known_by_both_names() -> None:
    metadata = {"source": "d0/t.txt", "sources": ["d0/t.txt", "d1/t.txt"]}
    assert is_right("1985 年", metadata, ASKED, SET)


def test_the_overlap_is_the_share_of_the_questions_terms_in_its_best_chunk() -> None:
    assert gold("red fox jumps high", "a red fox", "a red hen").overlap == pytest.approx(2 / 4)
    assert gold("red fox").overlap == 0
    assert gold("?", "red").overlap == 0


def test_a_question_in_another_script_than_its_document_crosses_languages() -> None:
    assert gold("Who founded the academy?", "…").is_cross_language
    assert not gold("谁创办了学院？", "…").is_cross_language
    assert gold("谁创办了学院？", "…", zh=False).is_cross_language
    assert not Gold("Who?", (), frozenset(), frozenset()).is_cross_language
