"""From answers to figures, worked out by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from evals.answer_report import Asked, report_of, table
from evals.asking import record_of
from evals.records import Record
from evals.sets import FolderSet, Question
from tests.evals.made import FACTS, answered

SET = FolderSet(Path("nowhere"))
ASKED = Question("q", "哪年？", True, ("1985 年",), ("d1",))


def report(*records: Record) -> dict[str, Any]:
    return report_of(Asked(FACTS, records, (), seconds=2.0, answered_now=len(records)))


def output(**more: Any) -> dict[str, Any]:
    sources = [
        {"id": "s1", "content": "成立于1985年。", "metadata": {"source": "d1/一.txt"}, "score": 0.9},
        {"id": "s2", "content": "1985 年。", "metadata": {"source": "d2/二.txt"}, "score": 0.8},
    ]
    citations = [{"marker": f"[{number}]", "source_id": f"s{number}", "supported": True} for number in (1, 2, 1)]
    given = {"answer": "1985 年[1]。", "sources": sources, "citations": citations, "refused": False, "confidence": 0.9}
    return given | more


def test_a_record_counts_citations_and_those_of_a_gold_document() -> None:
    record = record_of(ASKED, output(), SET, 1.234)

    assert (record.citations, record.citations_right) == (3, 2)
    assert (record.contains, record.exact, record.seconds) == (True, True, 1.23)


def test_a_right_source_is_of_a_gold_document_and_holds_an_answer() -> None:
    assert record_of(ASKED, output(), SET, 1).retrieved
    assert not record_of(ASKED, output(sources=output()["sources"][1:]), SET, 1).retrieved
    other_year = [output()["sources"][0] | {"content": "1986 年。"}]
    assert not record_of(ASKED, output(sources=other_year), SET, 1).retrieved


def test_a_document_is_known_by_its_id_in_the_collection_too() -> None:
    source = {"id": "s", "content": "1985 年", "metadata": {"source": "history.md", "document_id": "d1"}, "score": 1.0}
    assert record_of(ASKED, output(sources=[source]), SET, 1).retrieved


def test_a_refusal_holds_nothing_whatever_it_says() -> None:
    record = record_of(ASKED, output(refused=True), SET, 1)
    assert (record.contains, record.f1) == (False, 0.0)


def test_plain_numbers_and_their_intervals() -> None:
    found = report(answered(1, exact=True), answered(2, contains=False, f1=0.5), answered(3, answerable=False))

    assert (found["n"], found["answerable"], found["failed"], found["chain"]) == (3, 2, 0, "rag")
    assert (found["exact_match"], found["f1"], found["contains"]) == (0.5, 0.75, 0.5)
    assert found["right"] == pytest.approx(1 / 3)
    assert found["intervals"]["contains"]["n"] == 2
    assert found["intervals"]["contains"]["low"] < 0.5 < found["intervals"]["contains"]["high"]
    assert found["seconds_per_question"] == 0.67


def test_refusals() -> None:
    found = report(
        answered(1, refused=True, contains=False, confidence=0.3),
        answered(2, confidence=0.9),
        answered(3, answerable=False, refused=True, confidence=0.1),
        answered(4, answerable=False, refused=True, confidence=0.2),
        answered(5, answerable=False, refused=False, confidence=0.5),
    )

    assert found["refusal"]["precision"] == pytest.approx(2 / 3)
    assert found["refusal"]["recall"] == pytest.approx(2 / 3)
    assert found["refusal"]["auc"] == pytest.approx(5 / 6)
    assert found["false_answers"] == pytest.approx(1 / 3)
    assert found["refused_answerable"] == 0.5


def test_questions_whose_chunk_was_shown_should_be_answered() -> None:
    found = report(
        answered(1),
        answered(2, refused=True, contains=False),
        answered(3, contains=False),
        answered(4, refused=True, contains=False, retrieved=False),
    )
    assert found["answered_of_retrieved"] == pytest.approx(2 / 3)


def test_citations() -> None:
    found = report(
        answered(1, citations=3, citations_right=2),
        answered(2, citations=1, citations_right=0),
        answered(3),
        answered(4, answerable=False, citations=5),
    )

    assert found["citation"]["precision"] == pytest.approx(2 / 4)
    assert found["citation"]["recall"] == pytest.approx(1 / 3)


def test_the_confidence_of_an_answer_is_that_it_is_right_and_of_a_refusal_that_there_was_one() -> None:
    assert answered(1).came_true
    assert not answered(1, contains=False).came_true
    assert not answered(1, answerable=False).came_true
    assert answered(1, refused=True, contains=False).came_true
    assert not answered(1, answerable=False, refused=True).came_true
    assert report(answered(1, confidence=0.8), answered(2, contains=False, confidence=0.4))["ece"] == pytest.approx(0.3)


def test_no_answers_have_no_figures() -> None:
    found = report()

    assert found["n"] == 0
    assert found["contains"] is found["ece"] is found["citation"]["precision"] is found["refusal"]["auc"] is None
    assert "0 questions" in table(found)


def test_the_table_shows_what_there_is() -> None:
    shown = table(report(answered(1), answered(2, answerable=False, refused=True, confidence=0.0)))

    assert "zh: 2 questions, rag with m (local, quantization none)" in shown
    assert "| answerable: holds an expected string | 1.000 | 0.207..1.000 | 1 |" in shown
    assert "| expected calibration error of confidence | 0.250 | | 2 |" in shown
    assert "citations: of a right document" not in shown
