"""`larkwise eval export-feedback`: from answers that were marked down to a set that is asked again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from app.database import Database, open_database
from app.ingestion import ingest_paths
from app.settings import Settings, load_settings
from evals.cli import commands
from evals.options import to_ask
from evals.sets import FolderSet

DOCUMENTS = {
    "refunds.md": "# Refunds\n\n## Deadline\n\nA card can be returned within 15 days for a full refund.\n",
    "heat.md": "# 温度\n\nLC-200 的工作温度为 5 到 45 °C。\n",
}


@pytest.fixture
def settings(tmp_path: Path, cache_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    given = {"CACHE_DIR": str(cache_dir), "OFFLINE": "true", "DATA_DIR": str(tmp_path / "var")}
    for name, value in given.items():
        monkeypatch.setenv(f"LARKWISE_{name}", value)
    return load_settings()


@pytest.fixture
def documents(settings: Settings, tmp_path: Path) -> dict[str, str]:
    """Their ids by their names, in the collection "handbook"."""
    from app.services import open_collections, open_weights

    folder = tmp_path / "documents"
    folder.mkdir()
    for name, text in DOCUMENTS.items():
        (folder / name).write_text(text, encoding="utf-8")
    ingest_paths(settings, [folder], "handbook")
    collections = open_collections(settings, open_weights(settings))
    found = {document.source: document.id for document in collections.open("handbook").documents()}
    collections.close()
    return found


async def answer(database: Database, name: str, *documents: str, rating: str = "down", **more: Any) -> None:
    sources = [
        {"id": f"c{number}", "content": "…", "metadata": {"source": "x", "document_id": document}, "score": 1.0}
        for number, document in enumerate(documents)
    ]
    output = {"answer": "Ten days.", "sources": sources, "confidence": 0.7, "refused": False} | more
    await database.save_answer(name, chain="rag", caller="cli", question="And for cards?", output=output)
    await database.save_feedback(name, caller="cli", rating=rating, comment="It is 15 days.")


@pytest.fixture
async def answers(settings: Settings, documents: dict[str, str]) -> None:
    database = await open_database(settings.database)
    refunds = documents["refunds.md"]
    await answer(database, "a1", refunds, refunds, "gone", standalone_question="How long can cards be returned?")
    await answer(database, "a2", documents["heat.md"], rating="up")
    await answer(database, "a3", answer="The documents do not answer this question.", refused=True)
    await database.close()


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(commands, [*map(str, arguments)], catch_exceptions=False)


def lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


@pytest.mark.usefixtures("answers")
def test_answers_that_were_marked_down_become_questions_to_label(tmp_path: Path, documents: dict[str, str]) -> None:
    result = invoke("export-feedback", tmp_path / "set", "--json")

    first, second = lines(tmp_path / "set" / "queries.jsonl")
    assert json.loads(result.stdout) == {
        "questions": 2,
        "known": 0,
        "documents": 1,
        "unread": ["gone"],
        "elsewhere": 0,
    }
    assert (first["id"], first["question"]) == ("a1", "How long can cards be returned?")
    assert (first["asked"], first["answer"], first["comment"]) == ("And for cards?", "Ten days.", "It is 15 days.")
    assert (first["rating"], first["refused"], first["confidence"]) == ("down", False, 0.7)
    assert (first["gold_ids"], first["answers"], first["answerable"]) == ([documents["refunds.md"], "gone"], [], True)
    assert (second["id"], second["question"], second["gold_ids"]) == ("a3", "And for cards?", [])
    assert "the document gone is in no collection any more" in result.stderr


@pytest.mark.usefixtures("answers")
def test_the_documents_come_with_them_as_text(tmp_path: Path, documents: dict[str, str]) -> None:
    invoke("export-feedback", tmp_path / "set")

    (document,) = lines(tmp_path / "set" / "corpus.jsonl")
    assert (document["id"], document["title"]) == (documents["refunds.md"], "Refunds")
    assert "A card can be returned within 15 days for a full refund." in document["text"]


@pytest.mark.usefixtures("answers")
def test_what_nobody_has_labelled_is_not_asked(tmp_path: Path) -> None:
    invoke("export-feedback", tmp_path / "set")
    result = invoke("answers", "--set", tmp_path / "set")

    assert result.exit_code == 1
    assert '2 of 2 questions are not labelled yet: write into "answers" what a right answer holds' in result.stderr


@pytest.mark.usefixtures("answers")
def test_a_label_makes_it_a_question_of_a_set_and_a_later_export_keeps_it(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    invoke("export-feedback", folder)
    file = folder / "queries.jsonl"
    file.write_text(file.read_text().replace('"answers": []', '"answers": ["15 days"]', 1).rstrip())

    again = invoke("export-feedback", folder)

    assert "queries.jsonl: 0 (2 were there); new documents in corpus.jsonl: 0" in again.stdout
    assert [one.id for one in to_ask(FolderSet(folder), None)] == ["a1"]
    report = json.loads(invoke("retrieval", "--set", folder, "--json").stdout)
    assert (report["n"], report["chunk"]["recall@1"]) == (1, 1.0)
    there = json.loads(invoke("retrieval", "--set", folder, "--collection", "handbook", "--json").stdout)
    assert (there["chunk"]["recall@10"], there["document"]["recall@10"]) == (1.0, 1.0)


@pytest.mark.usefixtures("answers")
def test_answers_from_other_collections_can_be_left_out(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("A note.")
    ingest_paths(settings, [tmp_path / "note.txt"], "notes")

    result = invoke("export-feedback", tmp_path / "set", "--collection", "notes", "--json")

    assert json.loads(result.stdout)["elsewhere"] == 1
    assert [one["id"] for one in lines(tmp_path / "set" / "queries.jsonl")] == ["a3"]  # it rests on no document


@pytest.mark.usefixtures("settings")
def test_where_nothing_was_marked_down_nothing_is_written(tmp_path: Path) -> None:
    result = invoke("export-feedback", tmp_path / "set")

    assert (result.exit_code, result.stdout) == (0, "no answer is marked down\n")
    assert not (tmp_path / "set").exists()


@pytest.mark.usefixtures("answers")
def test_a_set_that_is_damaged_is_told_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "queries.jsonl").write_text("{\n")

    result = invoke("export-feedback", tmp_path / "set")

    assert result.exit_code == 1
    assert "queries.jsonl, line 1" in result.stderr
    assert (tmp_path / "set" / "queries.jsonl").read_text() == "{\n"
