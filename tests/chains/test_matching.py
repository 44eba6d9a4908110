"""How a chunk fits a question, in numbers that can be checked by hand."""

from __future__ import annotations

import pytest
from langchain_core.documents import Document

from chains.matching import Asked, Candidate, Match, longest_shared_run, matches


def asked(text: str, **weights: float) -> Asked:
    return Asked(text, weights)


def only(question: Asked, text: str, **metadata: object) -> Match:
    (match,) = matches(question, [Candidate(Document(text, metadata=metadata), 0.5, 3.0)])
    return match


def test_coverage_counts_telling_terms_more() -> None:
    question = asked("battery warranty", batteri=1.0, warranti=3.0)
    assert only(question, "The warranty lasts long.").coverage == pytest.approx(0.75)
    assert only(question, "The battery lasts long.").coverage == pytest.approx(0.25)


def test_a_title_covers_what_the_text_only_calls_it() -> None:
    match = only(asked("battery warranty", batteri=1.0, warranti=1.0), "It has a warranty.", title="Battery")
    assert (match.coverage, match.title_coverage, match.titled_sentence_coverage) == (1.0, 0.5, 1.0)
    assert match.sentence_coverage == 0.5


def test_two_neighbouring_sentences_may_cover_it_together() -> None:
    match = only(asked("battery warranty", batteri=1.0, warranti=1.0), "The battery is flat. Its warranty is long.")
    assert (match.sentence_coverage, match.window_coverage) == (0.5, 1.0)


@pytest.mark.parametrize(
    ("question", "text", "lacking"),
    [
        ("公司成立于哪一年？", "公司成立于1998年。", 0),
        ("公司成立于哪一年？", "公司成立于上海。", -1),
        ("Who founded the company?", "The company was founded by Ada Lovelace.", 0),
        ("Who founded the company?", "the company was founded in a garage.", -1),
        ("How many people work there?", "Twelve people work there.", 0),
        ("How many people work there?", "People work there.", -1),
        ("Is it large?", "It is.", 0),
    ],
)
def test_a_chunk_lacks_what_the_question_asks_for(question: str, text: str, lacking: int) -> None:
    assert only(asked(question), text).kind_in_chunk == lacking


def test_candidates_are_compared_with_the_best_of_them() -> None:
    one = Candidate(Document("a", metadata={"document_id": "x", "chunk": 0}), 0.9, 4.0)
    other = Candidate(Document("b", metadata={"document_id": "x", "chunk": 1}), 0.5, 2.0)
    alone = Candidate(Document("c", metadata={"document_id": "y", "chunk": 7}), 0.7, 0.0)
    first, second, third = matches(asked("a"), [one, other, alone])
    assert first.cosine_below_best == 0.0
    assert second.cosine_below_best == pytest.approx(-0.4)
    assert (first.bm25_of_best, second.bm25_of_best, third.bm25_of_best) == (1.0, 0.5, 0.0)
    assert (first.document_bm25, second.document_bm25, third.document_bm25) == (0.5, 1.0, 0.0)
    assert second.document_cosine_below_best == 0.0
    assert (first.opening, second.opening) == (1.0, 0.0)


def test_nothing_is_compared_where_nothing_was_found() -> None:
    assert matches(asked("a"), []) == []


@pytest.mark.parametrize(("one", "other", "length"), [("abcdef", "xxcdeyy", 3), ("", "abc", 0), ("abc", "", 0)])
def test_the_longest_run_that_both_hold(one: str, other: str, length: int) -> None:
    assert longest_shared_run(one, other) == length
