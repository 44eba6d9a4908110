"""
How fast documents go in, against LangChain's plain way: `make bench-ingest`, or `larkwise bench ingest`.

Both read the same files, with the same splitter settings and the same encoder, in processes of their own and in turn,
some rounds; the plain way with one thread and with all, of which the better counts. Loading the model is not counted
on either side.
"""

from __future__ import annotations

import json
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from app.cli_terminal import err, out
from bench.environment import cores, here
from bench.errors import BenchError
from bench.figures import spread
from ingest.files import list_files
from ingest.loaders.table import load

_HANDBOOK = Path(__file__).parent.parent / "examples" / "handbook"
_WORDS = ("the", "valve", "of", "pump", "is", "changed", "when", "its", "pressure", "falls", "below", "limit", "table")
_PARAGRAPHS = 12
"""Of a document: some thousand characters."""


@dataclass(frozen=True, slots=True)
class Ingested:
    """One run of one way; `cpu_s` of the process and of all that it started."""

    way: str
    documents: int
    chunks: int
    seconds: float
    cpu_s: float


def ingesting(
    documents: Annotated[int, typer.Option(min=10, help="How many are ingested")] = 300,
    rounds: Annotated[int, typer.Option(min=1)] = 3,
    unchanged: Annotated[int, typer.Option(min=0, help="So many small files are ingested twice")] = 10_000,
) -> None:
    """Documents a second, against LangChain's plain way; and what files cost that have not changed."""
    machine = here()
    out.print(f"{machine.cpu}, {machine.cores} cores; larkwise at {machine.commit}", markup=False)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "documents"
        _write_documents(folder, documents)
        runs = [one for number in range(rounds) for one in _round(folder, Path(scratch) / str(number))]
        for line in _table(runs):
            out.print(line, markup=False)
        if unchanged:
            out.print(_unchanged(Path(scratch), unchanged), markup=False)


def _write_documents(folder: Path, count: int) -> None:
    """Of the handbook's own sentences, in ever other order, so that no two are alike."""
    folder.mkdir()
    texts = [section.page_content for file in list_files([_HANDBOOK]).files for section in load(file.read(), file.name)]
    paragraphs = [paragraph for text in texts for paragraph in text.split("\n\n") if len(paragraph) > 80]
    chance = random.Random(7)
    for number in range(count):
        chosen = "\n\n".join(chance.choice(paragraphs) for _ in range(_PARAGRAPHS))
        (folder / f"{number:05}.md").write_text(f"# Document {number}\n\n{chosen}\n", encoding="utf-8")


def _round(folder: Path, scratch: Path) -> Iterator[Ingested]:
    scratch.mkdir()
    for threads in sorted({1, cores()}):
        for flags in ((), ("--float32",)):
            way = f"plain, {threads} threads, {'float32' if flags else 'same encoder'}"
            index = scratch / f"index-{threads}{''.join(flags)}"
            command = [
                sys.executable,
                "-m",
                "bench.baseline_ingest",
                str(folder),
                str(index),
                "--threads",
                str(threads),
            ]
            said, cpu_s = _run([*command, *flags])
            yield Ingested(way, said["documents"], said["chunks"], said["seconds"], cpu_s)
    said, cpu_s = _ingest(folder, scratch / "larkwise")
    yield Ingested("larkwise", len(said["added"]), said["chunks_written"], said["seconds"], cpu_s)


def _ingest(folder: Path, data_dir: Path) -> tuple[dict[str, Any], float]:
    return _run([sys.executable, "-m", "bench.own_ingest", str(folder), str(data_dir)])


def _run(command: Sequence[str]) -> tuple[dict[str, Any], float]:
    """What a process says in its last line, and its CPU-seconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise BenchError(f"{' '.join(command[:4])} has failed: {done.stderr[-600:]}")
    said: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return said, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _table(runs: Sequence[Ingested]) -> Iterator[str]:
    yield "| way | documents/s | seconds | CPU-s of the process | chunks |"
    yield "|---|---|---|---|---|"
    ways = list(dict.fromkeys(run.way for run in runs))
    for way in ways:
        own = [run for run in runs if run.way == way]
        speeds, seconds = spread([run.documents / run.seconds for run in own]), spread([run.seconds for run in own])
        cpu = spread([run.cpu_s for run in own])
        yield f"| {way} | {speeds.show()} | {seconds.show()} | {cpu.show()} | {own[0].chunks:,} |"
    ours = statistics.median(run.seconds for run in runs if run.way == "larkwise")
    for encoder in ("same encoder", "float32"):
        best = min(
            statistics.median(run.seconds for run in runs if run.way == way) for way in ways if way.endswith(encoder)
        )
        yield f"larkwise against the plain way at its best, {encoder}: {best / ours:.2f} times as fast (must be 2)"


def _unchanged(scratch: Path, count: int) -> str:
    folder, chance = scratch / "small", random.Random(1)
    folder.mkdir()
    for number in range(count):
        words = " ".join(chance.choices(_WORDS, k=80))
        (folder / f"{number:05}.txt").write_text(f"Note {number}: {words}.\n")
    first, _ = _ingest(folder, scratch / "small-data")
    again, _ = _ingest(folder, scratch / "small-data")
    if len(again["unchanged"]) != count:
        raise BenchError(f"{len(again['unchanged'])} of {count} files are unchanged")
    ratio = first["seconds"] / again["seconds"]
    return (
        f"{count:,} files of a paragraph: {first['seconds']:.1f} s at first, {again['seconds']:.2f} s when nothing "
        f"has changed: 1/{ratio:.0f} (must be 1/20)"
    )


if __name__ == "__main__":
    started = time.monotonic()
    typer.run(ingesting)
    err.print(f"{time.monotonic() - started:.0f} s")
