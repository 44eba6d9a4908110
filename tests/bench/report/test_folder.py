"""The files of a run: they hold what was measured, and they are read back."""

from __future__ import annotations

import csv
import errno
import json
import os
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from matplotlib.image import imread

from bench.errors import InvalidRun, NotWritten
from bench.report.folder import made, write_folder
from bench.report.records import SCHEMA, Run, read_run, save
from bench.report.words import Lang, Words
from tests.bench.report.made import answered, failed, measured, noisy, run_of, usual


def rows(file: Path) -> list[dict[str, str]]:
    with file.open(encoding="utf-8", newline="") as opened:
        return list(csv.DictReader(opened))


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_all_files_are_there(tmp_path: Path, lang: Lang) -> None:
    file = write_folder(usual(), tmp_path, Words(lang))

    assert file == tmp_path / "report.md"
    assert {one.name for one in tmp_path.iterdir()} == {
        "report.md", "results.csv", "full_results.csv", "accuracy.csv", "environment.json", "latency_distribution.png",
        "throughput.png",
    }  # fmt: skip
    for picture in ("latency_distribution.png", "throughput.png"):
        assert f"({picture})" in file.read_text(encoding="utf-8")
        assert imread(tmp_path / picture).std() > 0.05  # something is drawn


def test_results_have_a_row_for_each_variant_under_each_load(tmp_path: Path) -> None:
    write_folder(usual(), tmp_path, Words("en"))
    found = rows(tmp_path / "results.csv")

    assert [(one["scenario"], one["variant"]) for one in found] == [
        ("one at a time", "bf16"),
        ("one at a time", "int8"),
        ("eight at once", "bf16"),
        ("eight at once", "int8"),
    ]
    assert float(found[1]["ttft_p50_ms"]) == pytest.approx(250, rel=0.05)
    assert float(found[1]["ttft_p50_change"]) == pytest.approx(-0.375, abs=0.05)
    assert found[1]["ttft_p50_verdict"] == "better"
    assert float(found[1]["ttft_p50_change_low"]) < float(found[1]["ttft_p50_change"])
    assert found[0]["ttft_p50_verdict"] == ""
    assert float(found[0]["bound_share"]) == pytest.approx(1 / 3, rel=0.05)


def test_full_results_have_a_row_for_each_request_and_failures_too(tmp_path: Path) -> None:
    write_folder(run_of(measured("a", "x", [answered("0", first=0.25), failed("1")])), tmp_path, Words("en"))
    first, second = rows(tmp_path / "full_results.csv")

    assert (first["request"], first["ttft_ms"], first["completion_tokens"], first["error"]) == ("0", "250", "11", "")
    assert (second["ttft_ms"], second["error"]) == ("", "HTTP 503: busy")


def test_accuracy_has_a_row_for_each_question(tmp_path: Path) -> None:
    write_folder(usual(), tmp_path, Words("en"))

    assert len(rows(tmp_path / "accuracy.csv")) == 120
    assert rows(tmp_path / "accuracy.csv")[0] == {"set": "handbook", "variant": "bf16", "question": "q0", "right": "1"}


def test_the_environment_is_there_with_the_bounds(tmp_path: Path) -> None:
    write_folder(usual(), tmp_path, Words("en"))
    found = json.loads((tmp_path / "environment.json").read_text())

    assert (found["cpu"], found["bounds"]["read_gb_s"]) == ("a CPU", 40.0)


def many_variants() -> Run:
    names = [f"a variant {n} 模型" for n in range(8)]
    return run_of(*(one for name in names for one in noisy(name, "x", first=1, gap=1, repeats=1, requests=3)))


def many_loads() -> Run:
    names = [f"a load with a long name, {n}" for n in range(12)]
    return run_of(*(one for name in names for one in noisy("a", name, first=1, gap=1, requests=2)))


@pytest.mark.parametrize(
    "run",
    [
        run_of(measured("a", "x", [failed("0")])),
        run_of(measured("a", "x", [answered("0", tokens=1)], resident=None)),
        many_variants(),
        many_loads(),
        run_of(*noisy("\U00020000", "\U00020001", first=1, gap=1, requests=2)),
    ],
    ids=["nothing answered", "one answer", "many variants", "many loads", "no glyphs"],
)
def test_odd_runs_have_a_folder_as_well(tmp_path: Path, run: Run) -> None:
    assert write_folder(run, tmp_path, Words("zh")).exists()


def test_a_name_may_hold_what_is_a_formula_elsewhere(tmp_path: Path) -> None:
    write_folder(run_of(*noisy("a $b_$ c", "$x$", first=1, gap=0.1)), tmp_path, Words("en"))

    assert (tmp_path / "throughput.png").exists()


def test_of_a_run_that_measured_nothing_nothing_false_is_said(tmp_path: Path) -> None:
    text = write_folder(usual(measured=(), judged=(), complete=False), tmp_path, Words("en")).read_text()

    assert text.count("No pictures: nothing was measured.") == 2
    assert "matplotlib" not in text
    assert "P99 of" not in text
    headers = {name: (tmp_path / f"{name}.csv").read_text() for name in ("accuracy", "full_results", "results")}
    assert headers["accuracy"] == "set,variant,question,right\n"
    assert headers["full_results"].startswith("variant,scenario,repeat,request,due_s,")
    assert headers["results"] == "scenario,variant\n"


def test_a_run_comes_back_as_it_was_saved(tmp_path: Path) -> None:
    run = run_of(measured("a", "x", [answered("0"), failed("1")]), measured("b", "x", [answered("0")], whole=False))
    save(run, tmp_path)

    assert read_run(tmp_path) == run
    assert read_run(tmp_path / "results.json") == run
    assert json.loads((tmp_path / "results.json").read_text())["schema"] == SCHEMA


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{", "cannot be read"),
        ("[]", "is of no `larkwise bench"),
        ('{"benchmark": "serving", "schema": 1}', "is of no `larkwise bench"),
        ('{"benchmark": "report", "schema": 99}', "has schema 99, and this version reads 1"),
        ('{"benchmark": "report", "schema": 1}', "is damaged"),
    ],
)
def test_what_is_no_run_is_told(tmp_path: Path, text: str, sentence: str) -> None:
    (tmp_path / "results.json").write_text(text)
    with pytest.raises(InvalidRun, match=sentence):
        read_run(tmp_path)


def test_a_folder_without_a_run_is_told(tmp_path: Path) -> None:
    with pytest.raises(InvalidRun, match="cannot be read"):
        read_run(tmp_path)


def test_the_baseline_is_the_first_that_was_measured_where_the_named_one_was_not() -> None:
    run = usual()

    assert replace(run, variants=run.variants[1:]).base == "int8"
    assert run.base == "bf16"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS])
def test_a_disk_that_takes_nothing_more_is_told_and_what_was_saved_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    save(usual(complete=False), tmp_path)
    before = (tmp_path / "results.json").read_bytes()
    write = Path.write_text

    def half(path: Path, text: str, **more: Any) -> int:
        write(path, text[:100], **more)
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(Path, "write_text", half)
    with pytest.raises(NotWritten, match=rf"results.json cannot be written \({os.strerror(number)}\)"):
        save(usual(), tmp_path)
    assert [one.name for one in tmp_path.iterdir()] == ["results.json"]
    assert (tmp_path / "results.json").read_bytes() == before
    with pytest.raises(NotWritten, match=r"`larkwise bench render .*` writes it"):
        write_folder(usual(), tmp_path, Words("en"))


def test_a_folder_that_takes_nothing_is_told_before_anything_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_only(**_: Any) -> Any:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(tempfile, "TemporaryFile", read_only)
    with pytest.raises(InvalidRun, match=r"nothing can be written into .* \(Read-only file system\): give another"):
        made(tmp_path)


def test_what_was_asked_for_is_kept_to_its_last_digit(tmp_path: Path) -> None:
    """Else a run that was stopped would be another configuration's."""
    run = run_of(measured("a", "x", [answered("0")]), loads={"x": {"requests_per_s": 100 / 3}})
    save(run, tmp_path)

    assert read_run(tmp_path).config == run.config
