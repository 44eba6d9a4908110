"""CPU-seconds and memory of a process and of what it has started."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from bench.errors import EngineEnded
from bench.processes import ProcessTree

SPEND = "import time\nwhile time.process_time() < 0.5: pass\n"
ALLOCATE = "data = bytearray(200 * 2**20)\n"
WAIT = "print('done', flush=True)\ninput()\n"


@contextmanager
def python(program: str) -> Iterator[subprocess.Popen[str]]:
    """A Python process that has come to the end of its program and waits."""
    process = subprocess.Popen(
        [sys.executable, "-c", program + WAIT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "done\n"
        yield process
    finally:
        process.communicate("\n")


def test_cpu_that_a_process_spends_is_counted() -> None:
    with python(SPEND) as process:
        assert 0.4 <= ProcessTree(process.pid).server_cpu_s() < 5


def test_so_is_that_of_a_child_that_has_ended() -> None:
    child = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {SPEND!r}])\n"
    with python(child) as process:
        assert 0.4 <= ProcessTree(process.pid).server_cpu_s() < 5


def test_so_is_that_of_a_child_that_still_runs() -> None:
    child = (
        "import subprocess, sys\n"
        f"c = subprocess.Popen([sys.executable, '-c', {SPEND + WAIT!r}], stdin=-1, stdout=-1)\n"
        "c.stdout.readline()\n"
    )
    with python(child) as process:
        assert 0.4 <= ProcessTree(process.pid).server_cpu_s() < 5


def test_who_waits_costs_nothing() -> None:
    with python("") as process:
        tree = ProcessTree(process.pid)
        assert tree.server_cpu_s() == pytest.approx(tree.server_cpu_s(), abs=0.05)
        assert tree.machine_cpu_s() > 0


def test_memory_is_resident_memory() -> None:
    with python(ALLOCATE) as process:
        assert 200 * 2**20 <= ProcessTree(process.pid).resident_bytes() < 300 * 2**20


def test_a_process_that_has_ended_is_told() -> None:
    with python("") as process:
        tree = ProcessTree(process.pid)
    with pytest.raises(EngineEnded, match="see its log"):
        tree.server_cpu_s()
