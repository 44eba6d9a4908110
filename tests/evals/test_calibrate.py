"""A collection gets a confidence of its own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.ingestion import ingest_paths
from app.services import calibration_of, open_collections, open_weights
from app.settings import load_settings
from chains.confidence import Calibration, shipped_calibration
from evals.cli import commands

RUN = CliRunner()


def a_set(folder: Path, *, of_each: int) -> Path:
    """Short documents about numbered machines, questions about them, and questions about other things."""
    folder.mkdir(parents=True)
    questions, corpus = [], []
    for number in range(of_each):
        text = f"The machine M{number} weighs {number + 10} kilograms. It is painted green and stands in hall {number}."
        corpus.append({"id": f"d{number}", "title": f"Machine M{number}", "text": text})
        asked = {"id": f"q{number}", "question": f"How much does the machine M{number} weigh?"}
        questions.append(
            {**asked, "answerable": True, "answers": [f"{number + 10} kilograms"], "gold_ids": [f"d{number}"]}
        )
        other = {"id": f"u{number}", "question": f"Who was king of Norway in {1200 + number}?"}
        questions.append({**other, "answerable": False, "answers": [], "gold_ids": []})
    for name, rows in (("queries", questions), ("corpus", corpus)):
        (folder / f"{name}.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n", encoding="utf-8")
    return folder


@pytest.fixture
def collection(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The documents of 24 machines in the collection "machines"; the set's folder."""
    monkeypatch.setenv("LARKWISE_DATA_DIR", str(tmp_path / "data"))
    folder = a_set(tmp_path / "set", of_each=24)
    documents = tmp_path / "documents"
    for line in (folder / "corpus.jsonl").read_text(encoding="utf-8").splitlines():
        document = json.loads(line)
        (documents / document["id"]).mkdir(parents=True)
        (documents / document["id"] / f"{document['title']}.txt").write_text(document["text"], encoding="utf-8")
    ingest_paths(load_settings(), [documents], "machines")
    return folder


def stored(name: str) -> Calibration:
    settings = load_settings()
    return calibration_of(open_collections(settings, open_weights(settings)).open(name))


def test_the_fit_is_stored_with_the_collection_and_drawn(collection: Path, tmp_path: Path) -> None:
    plot = tmp_path / "reliability.png"
    assert stored("machines") == shipped_calibration()
    done = RUN.invoke(
        commands, ["calibrate", "-c", "machines", "--set", str(collection), "--plot", str(plot), "--json"]
    )
    assert done.exit_code == 0, done.output
    report = json.loads(done.stdout)
    assert report["pairings"]["en"]["n"] == 48
    assert report["auc"] > 0.95
    assert plot.read_bytes().startswith(b"\x89PNG")
    own, shipped = stored("machines"), shipped_calibration()
    assert own.before["en"] != shipped.before["en"]
    assert own.before["zh"] == shipped.before["zh"]
    assert Calibration.from_json(own.to_json()) == own


def test_too_few_labels_are_told_and_nothing_is_stored(collection: Path, tmp_path: Path) -> None:
    few = a_set(tmp_path / "few", of_each=5)
    done = RUN.invoke(commands, ["calibrate", "-c", "machines", "--set", str(few)])
    assert done.exit_code == 1
    assert "needs 20 questions" in done.stderr
    assert stored("machines") == shipped_calibration()
