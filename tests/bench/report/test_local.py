"""The whole report with real engines, started and ended by it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from bench.report.records import read_run

CONFIG = """
model: smollm2-135m-instruct
answer_tokens: 4
repeats: 2
warm_up: 1
threads: 1
variants:
  - {name: hf, provider: hf-pipeline}
  - {name: bf16}
  - {name: int8, precision: int8, settings: {LLM_MAX_RUNNING: 4}}
scenarios:
  - {name: alone, clients: 1, requests: 2}
accuracy: {handbook: true, handbook_limit: 2, choices: [{folder: geography, shots: 0}]}
"""


@pytest.mark.slow
def test_variants_of_a_real_model_are_measured_and_asked(tmp_path: Path) -> None:
    (tmp_path / "geography").mkdir()
    (tmp_path / "geography" / "test.csv").write_text("Which is a river?,Nile,Alps,Sahara,Paris,A\n")
    (tmp_path / "mine.yaml").write_text(CONFIG)
    out = tmp_path / "out"
    done = subprocess.run(
        [sys.executable, "-m", "bench", "--config", str(tmp_path / "mine.yaml"), "--out", str(out)],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    run = read_run(out)
    assert run.complete
    assert {(one.variant, one.set) for one in run.judged} == {
        ("bf16", "handbook"), ("int8", "handbook"), ("bf16", "geography"), ("int8", "geography"),
    }  # fmt: skip
    assert all(len(one.window.answered) == 2 and one.window.cpu_s > 0 for one in run.measured)
    assert all((one.resident_bytes or 0) > 2**27 for one in run.measured)
    assert json.loads((out / "environment.json").read_text())["bounds"]["read_gb_s"] > 1
    assert {answer.completion_tokens for one in run.measured for answer in one.window.answered} == {4}


@pytest.mark.slow
def test_engines_end_with_a_run_that_is_stopped(tmp_path: Path) -> None:
    """Ctrl-C reaches every process of a terminal: the engines must be ended by the bench, and not die beside it."""
    (tmp_path / "mine.yaml").write_text(
        "model: smollm2-135m-instruct\nthreads: 1\nanswer_tokens: 20\n"
        "variants: [{name: bf16}, {name: hf, provider: hf-pipeline}]\n"
        "scenarios: [{name: alone, clients: 1, requests: 50}]\naccuracy: {handbook: false}\n"
    )
    arguments = ["--config", str(tmp_path / "mine.yaml"), "--out", str(tmp_path / "out")]
    process = subprocess.Popen(
        [sys.executable, "-m", "bench", *arguments], stderr=subprocess.PIPE, text=True, process_group=0
    )
    assert process.stderr is not None
    for line in process.stderr:
        if "1 of 6" in line:
            break
    engines = psutil.Process(process.pid).children(recursive=True)
    time.sleep(5)
    os.killpg(process.pid, signal.SIGINT)
    process.communicate(timeout=120)

    assert process.returncode == 1
    assert len(engines) >= 2
    assert not any(engine.is_running() for engine in engines)
    assert not read_run(tmp_path / "out").complete
