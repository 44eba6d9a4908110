"""
The numbers that decide whether people keep larkwise, on this machine: `make bench-smoke`.

Starts the real service with the default model on the handbook. Prints Markdown; nothing here is a test.
"""

from __future__ import annotations

import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

from app.ingestion import ingest_paths
from app.services import open_collections, open_weights
from app.settings import load_settings
from chains.retrieval import retrieve

_HANDBOOK = Path(__file__).parent.parent / "examples" / "handbook"
_ASKED = ("LC-200 的显存带宽有多大？", "What is the restocking fee for an opened card?", "陪产假有多少天？")


@dataclass(frozen=True, slots=True)
class Streamed:
    """Seconds from the request; bytes of the process afterwards."""

    question: str
    answer: str
    first_text: float
    total: float


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        settings = load_settings(data_dir=Path(folder))
        report = ingest_paths(settings, [_HANDBOOK], "default")
        print(f"| ingest the handbook | {report.chunks_written} chunks in {report.seconds:.1f} s |")
        print("|---|---|")
        _search(Path(folder))
        with _service(Path(folder)) as (process, url, ready):
            print(f"| second start to ready | {ready:.1f} s (goal 15) |")
            for question in _ASKED:
                one = _ask(url, question)
                words = f"first text {one.first_text:.1f} s, whole {one.total:.1f} s: {one.answer}"
                print(f"| {question} | {words} |")
            memory = process.memory_info().rss / 2**30
            print(f"| resident memory afterwards | {memory:.2f} GiB (goal 4.5) |")


def _search(folder: Path) -> None:
    settings = load_settings(data_dir=folder)
    store = open_collections(settings, open_weights(settings)).open("default")
    lines = (_HANDBOOK / "questions.jsonl").read_text(encoding="utf-8").splitlines()
    asked = [json.loads(line)["question"] for line in lines]
    retrieve(store, asked[0])  # the first one loads
    vectors, wholes = [], []
    for question in asked:
        began = time.perf_counter()
        store.similarity_search_with_score(question, k=3)
        vectors.append(time.perf_counter() - began)
        began = time.perf_counter()
        retrieve(store, question)
        wholes.append(time.perf_counter() - began)
    print(f"| embedding search, top 3 | {_spread(vectors)} (goal 20) |")
    print(f"| retrieval with re-ranking of 40 | {_spread(wholes)} |")


def _spread(seconds: list[float]) -> str:
    cuts = statistics.quantiles(seconds, n=20)
    return f"median {1000 * statistics.median(seconds):.1f} ms, p95 {1000 * cuts[-1]:.1f} ms, n={len(seconds)}"


@contextmanager
def _service(folder: Path) -> Iterator[tuple[psutil.Process, str, float]]:
    command = ["env", f"LARKWISE_DATA_DIR={folder}", "LARKWISE_PORT=0", sys.executable, "-m", "app"]
    began = time.perf_counter()
    process = subprocess.Popen([*command, "serve"], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        port = next(found[1] for line in process.stdout if (found := re.search(r"http://127\.0\.0\.1:(\d+)/", line)))
        url = f"http://127.0.0.1:{port}"
        httpx.get(f"{url}/health/ready", timeout=60).raise_for_status()
        yield psutil.Process(process.pid), url, time.perf_counter() - began
    finally:
        process.terminate()
        process.wait()


def _ask(url: str, question: str) -> Streamed:
    began = time.perf_counter()
    answer, first = "", 0.0
    with httpx.stream("POST", f"{url}/rag/stream", json={"input": {"question": question}}, timeout=300) as lines:
        for line in lines.iter_lines():
            if line.startswith("data: {") and (piece := json.loads(line[6:]).get("answer")):
                first = first or time.perf_counter() - began
                answer += piece
    return Streamed(question, answer, first, time.perf_counter() - began)


if __name__ == "__main__":
    main()
