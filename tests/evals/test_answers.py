"""`larkwise eval answers` from the set to the report, with a real small model whose answers are cut short."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from evals.cli import commands
from evals.records import ANSWERS
from evals.runs import read
from tests.evals.made import write


@pytest.fixture
def folder(tmp_path: Path, cache_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    settings = {"CACHE_DIR": str(cache_dir), "LLM_MODEL": "smollm2-135m-instruct", "LLM_THREADS": "1"}
    for name, value in {**settings, "ANSWER_TOKENS": "8", "OFFLINE": "true"}.items():
        monkeypatch.setenv(f"LARKWISE_{name}", value)
    document = {"id": "d1", "title": "云雀学院", "text": "云雀学院成立于一九八五年，位于昆明。"}
    write(tmp_path / "zh", "corpus.jsonl", document)
    write(
        tmp_path / "zh",
        "queries.jsonl",
        {
            "id": "q1",
            "question": "云雀学院成立于哪一年？",
            "gold_ids": ["d1"],
            "answers": ["一九八五"],
            "answerable": True,
        },
        {"id": "q2", "question": "月亮上的温度是多少？", "gold_ids": [], "answers": [], "answerable": False},
    )
    return tmp_path / "zh"


def asked(*arguments: str) -> Result:
    return CliRunner().invoke(commands, ["answers", "--json", *arguments], catch_exceptions=False)


def test_a_set_is_asked_and_reported_as_one_json_object(folder: Path, tmp_path: Path) -> None:
    out, plot = tmp_path / "answers.jsonl", tmp_path / "reliability.png"
    result = asked("--set", str(folder), "--out", str(out), "--plot", str(plot))

    report = json.loads(result.stdout)
    facts, records = read(out, ANSWERS)
    assert result.exit_code == 0
    assert (report["set"], report["chain"], report["n"], report["failed"]) == ("zh", "rag", 2, 0)
    assert report["intervals"]["contains"]["n"] == report["intervals"]["refusal_recall"]["n"] == 1
    assert report["refusal"]["recall"] == 1.0  # nothing is near it, so the model is not even asked
    assert 0 <= report["ece"] <= 1
    assert plot.read_bytes().startswith(b"\x89PNG")
    assert [record.id for record in sorted(records, key=lambda one: one.id)] == ["q1", "q2"]
    assert {record.id for record in records if record.retrieved} == {"q1"}
    assert facts.model == "smollm2-135m-instruct"

    again = asked("--set", str(folder), "--out", str(out))  # nothing is left to ask, so no model is loaded

    assert json.loads(again.stdout)["n"] == 2
    assert json.loads(again.stdout)["seconds_per_question"] is None
    compared = CliRunner().invoke(commands, ["compare", "--json", str(out), str(out), "--max-loss", "90"])
    assert json.loads(compared.stdout)["same"] == 2


def test_another_chain_may_be_asked(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "plain.jsonl"
    report = json.loads(asked("--set", str(folder), "--chain", "plain", "--out", str(out)).stdout)

    assert (report["chain"], report["n"]) == ("plain", 2)
    assert report["answered_of_retrieved"] is not None  # there is one chunk, so it is shown
    assert report["citation"]["precision"] is None
    assert {record.confidence for record in read(out, ANSWERS)[1]} == {0.8}
    other = asked("--set", str(folder), "--out", str(out))
    assert other.exit_code == 1
    assert "was begun with another chain" in other.stderr


def test_a_chain_that_does_not_say_its_sources_cannot_be_measured(folder: Path) -> None:
    result = asked("--set", str(folder), "--chain", "chat")

    assert result.exit_code == 1
    assert "the chain 'chat' does not say its sources, citations, confidence, refused" in result.stderr


def test_a_set_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    result = asked("--set", str(tmp_path))

    assert result.exit_code == 1
    assert "queries.jsonl" in result.stderr
