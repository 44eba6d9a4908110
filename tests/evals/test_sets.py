"""Sets of questions and files of answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from evals.compare import compared
from evals.errors import InvalidSet, NothingToCompare, OtherRun
from evals.records import Record, RunFacts, append, begin, read
from evals.sets import FolderSet, HandbookSet, Question, sample

FACTS = RunFacts(set="zh", questions=2, provider="local", model="m", quantization="none", embedding="e", collection="")


def write(folder: Path, name: str, *lines: dict[str, Any]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")


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


def record(number: int, *, contains: bool = True, answerable: bool = True, refused: bool = False) -> Record:
    return Record(
        id=f"q{number}",
        question="?",
        answerable=answerable,
        golds=["x"],
        answer="x",
        refused=refused,
        contains=contains,
        exact=False,
        f1=float(contains),
        confidence=0.5,
        cited=False,
        cited_right=False,
        seconds=1.0,
    )


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


def test_a_run_goes_on_with_what_it_had(tmp_path: Path) -> None:
    file = tmp_path / "a" / "answers.jsonl"
    assert begin(file, FACTS) == []
    append(file, record(1))

    assert begin(file, FACTS) == [record(1)]


def test_a_line_that_was_cut_off_is_asked_again(tmp_path: Path) -> None:
    file = tmp_path / "answers.jsonl"
    begin(file, FACTS)
    append(file, record(1))
    with file.open("a") as lines:
        lines.write('{"id": "q2", "ques')

    assert begin(file, FACTS) == [record(1)]
    append(file, record(2))
    assert read(file)[1] == [record(1), record(2)]


def test_another_run_is_not_mixed_in(tmp_path: Path) -> None:
    file = tmp_path / "answers.jsonl"
    begin(file, FACTS)
    with pytest.raises(OtherRun, match="quantization"):
        begin(file, FACTS.model_copy(update={"quantization": "int8"}))


def test_another_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("hello\n")
    with pytest.raises(InvalidSet, match="eval answers --out"):
        read(tmp_path / "x")


def test_runs_are_compared_question_by_question() -> None:
    before = [record(n, contains=n < 8) for n in range(10)] + [record(10, answerable=False, refused=True)]
    after = [record(n, contains=2 <= n < 9) for n in range(10)] + [record(10, answerable=False, refused=False)]
    found = compared((FACTS, before), (FACTS, [*after, record(99)]))

    assert (found.n, found.unpaired) == (11, 1)
    assert found.contains is not None
    assert (found.contains.before, found.contains.after) == (0.8, 0.7)
    assert (found.contains.lost, found.contains.won, found.contains.n) == (2, 1, 10)
    assert found.contains.loss == pytest.approx(10)
    assert found.contains.loss_bound > 10
    assert (found.right.lost, found.right.won) == (3, 1)
    assert found.refused_unanswerable is not None
    assert found.refused_unanswerable.lost == 1


def test_a_set_without_unanswerable_questions_has_no_refusals() -> None:
    assert compared((FACTS, [record(1)]), (FACTS, [record(1)])).refused_unanswerable is None


def test_runs_without_a_common_question_cannot_be_compared() -> None:
    with pytest.raises(NothingToCompare):
        compared((FACTS, [record(1)]), (FACTS, [record(2)]))
