"""Sets of questions."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from evals.errors import InvalidSet
from evals.options import to_ask
from evals.sets import FolderSet, HandbookSet, Question, sample
from tests.evals.made import write


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(
        tmp_path / "zh",
        "queries.jsonl",
        {
            "id": "q1",
            "question": "哪年？",
            "gold_ids": ["d1"],
            "answers": ["1985 年"],
            "answerable": True,
            "source": "x",
        },
        {"id": "q2", "question": "谁？", "gold_ids": [], "answers": [], "answerable": False},
    )
    write(
        tmp_path / "zh",
        "corpus.jsonl",
        {"id": "d1", "title": "一/二", "text": "成立于 1985 年。", "source": "x"},
        {"id": "d2", "title": "", "text": "无题。", "source": "x"},
    )
    return tmp_path / "zh"


def test_a_folder_is_a_set(folder: Path, tmp_path: Path) -> None:
    asked = FolderSet(folder)
    documents = asked.documents(tmp_path / "scratch")

    assert asked.name == "zh"
    assert asked.questions[0] == Question("q1", "哪年？", True, ("1985 年",), ("d1",))
    assert sorted(str(path.relative_to(documents)) for path in documents.rglob("*.txt")) == [
        "d1/一∕二.txt",
        "d2/d2.txt",
    ]
    assert asked.document_of("d1/一∕二.txt") == "d1"


def test_a_set_may_be_about_another_ones_corpus(folder: Path, tmp_path: Path) -> None:
    write(
        tmp_path / "en",
        "queries.jsonl",
        {"id": "q", "question": "?", "gold_ids": [], "answers": [], "answerable": False},
    )

    assert len(list(FolderSet(tmp_path / "en", folder).documents(tmp_path / "scratch").rglob("*.txt"))) == 2


def test_the_handbook_is_one_too() -> None:
    assert len(HandbookSet().questions) == 60


@pytest.mark.parametrize("line", ["{", '{"id": "q1"}', "[]"])
def test_a_line_that_cannot_be_read_is_named(folder: Path, line: str) -> None:
    (folder / "queries.jsonl").write_text(line + "\n")
    with pytest.raises(InvalidSet, match=r"queries\.jsonl, line 1"):
        _ = FolderSet(folder).questions


def test_a_folder_that_is_no_set_is_told(tmp_path: Path) -> None:
    with pytest.raises(InvalidSet, match=r"queries\.jsonl and corpus\.jsonl"):
        _ = FolderSet(tmp_path).questions


def test_a_sample_is_taken_evenly_from_the_whole() -> None:
    asked = [Question(str(n), "?", True, (), ()) for n in range(10)]
    assert [one.id for one in sample(asked, 5)] == ["0", "2", "4", "6", "8"]
    assert sample(asked, None) == sample(asked, 20) == tuple(asked)


def test_an_empty_line_at_the_end_is_none(folder: Path) -> None:
    with (folder / "queries.jsonl").open("a") as lines:
        lines.write("\n")

    assert len(FolderSet(folder).questions) == 2


def test_a_title_does_not_hide_its_document(folder: Path, tmp_path: Path) -> None:
    write(
        folder, "corpus.jsonl", {"id": "d1", "title": ".NET", "text": "一"}, {"id": "d2", "title": " / ", "text": "二"}
    )
    documents = FolderSet(folder).documents(tmp_path / "scratch")

    assert sorted(path.name for path in documents.rglob("*.txt")) == ["NET.txt", "∕.txt"]


def test_questions_that_nobody_has_labelled_are_left_out_and_that_is_said(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    not_labelled = {"id": "q3", "question": "何时？", "gold_ids": ["d1"], "answers": [" "], "answerable": True}
    with (folder / "queries.jsonl").open("a", encoding="utf-8") as lines:
        lines.write(json.dumps(not_labelled))

    assert [one.id for one in to_ask(FolderSet(folder), None)] == ["q1", "q2"]
    assert "left out: 1 of 3 questions are not labelled yet" in capsys.readouterr().err


def test_a_set_in_which_nothing_is_labelled_is_told(tmp_path: Path) -> None:
    write(tmp_path, "queries.jsonl", {"id": "q", "question": "?", "gold_ids": [], "answers": [], "answerable": True})

    with pytest.raises(InvalidSet, match="1 of 1 questions are not labelled yet: write into"):
        to_ask(FolderSet(tmp_path), None)
