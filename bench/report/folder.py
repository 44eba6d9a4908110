"""A run's folder: everything but results.json, which can write all of it again."""

from __future__ import annotations

import json
import tempfile
from dataclasses import asdict
from pathlib import Path

from bench.errors import InvalidRun, NotWritten
from bench.report.markdown import Pictures, report
from bench.report.plots import can_draw, draw_latency, draw_throughput, drawn_names
from bench.report.records import Run
from bench.report.tables_csv import write_accuracy, write_full_results, write_results
from bench.report.words import Words

REPORT = "report.md"


def made(folder: Path) -> None:
    """
    Raises:
        InvalidRun: it cannot be, is no folder, or nothing can be written into it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidRun(f"{folder} cannot be made ({error.strerror}): give another --out") from error
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"something")
            file.flush()
    except OSError as error:
        raise InvalidRun(f"nothing can be written into {folder} ({error.strerror}): give another --out") from error


def write_folder(run: Run, folder: Path, words: Words) -> Path:
    """
    report.md, which is returned, and what it names.

    Raises:
        NotWritten: one of them cannot be written.
    """
    try:
        return _written(run, folder, words)
    except OSError as error:
        raise NotWritten(
            f"the report in {folder} could not be written ({error.strerror}): mend that, and "
            f"`larkwise bench render {folder}` writes it from its results.json"
        ) from error


def _written(run: Run, folder: Path, words: Words) -> Path:
    environment = {**asdict(run.environment), "bounds": asdict(run.bounds) if run.bounds else None}
    text = json.dumps(environment, ensure_ascii=False, indent=2)
    (folder / "environment.json").write_text(text + "\n", encoding="utf-8")
    write_results(run, folder / "results.csv")
    write_full_results(run, folder / "full_results.csv")
    write_accuracy(run, folder / "accuracy.csv")
    pictures = Pictures()
    if can_draw() and any(run.scenarios()):
        names = drawn_names(run, words)
        pictures = Pictures(folder / "latency_distribution.png", folder / "throughput.png", names.key())
        draw_latency(run, words, names, folder / "latency_distribution.png")
        draw_throughput(run, words, names, folder / "throughput.png")
    file = folder / REPORT
    file.write_text(report(run, words, pictures), encoding="utf-8")
    return file
