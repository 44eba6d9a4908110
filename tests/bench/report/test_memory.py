"""Memory of what is measured: the most that was seen, and what is on a GPU."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.processes import ProcessTree
from bench.report.memory import Watching, gpu_bytes

GROWS = "input()\ndata = bytearray(300 * 2**20)\ninput()\n"


@pytest.fixture
def process() -> Iterator[subprocess.Popen[str]]:
    started = subprocess.Popen([sys.executable, "-c", GROWS], stdin=subprocess.PIPE, text=True)
    yield started
    started.kill()
    started.communicate()


async def test_the_peak_is_the_most_that_was_seen(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    async with Watching(ProcessTree(process.pid)) as memory:
        await asyncio.sleep(0.1)
        small = memory.peak_bytes or 0
        process.stdin.write("\n")
        process.stdin.flush()
        for _ in range(200):
            await asyncio.sleep(0.05)
            if (memory.peak_bytes or 0) > 2**28:
                break

    assert 2**20 < small < 2**27
    assert (memory.peak_bytes or 0) > 2**28


async def test_a_process_that_ends_meanwhile_is_no_error_of_the_watch(process: subprocess.Popen[str]) -> None:
    async with Watching(ProcessTree(process.pid)) as memory:
        await asyncio.sleep(0.1)
        process.kill()
        process.wait()
        await asyncio.sleep(0.7)

    assert memory.peak_bytes is not None


async def test_where_no_process_is_known_there_is_no_peak() -> None:
    async with Watching(None) as memory:
        pass

    assert memory.peak_bytes is None
    assert gpu_bytes(None, used_before=0) is None


@pytest.fixture
def card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An nvidia-smi that knows no process of ours, and 3000 MiB in use."""
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\ncase $1 in --query-gpu=memory.used) echo 3000;; *) echo 1, 7;; esac\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return program


def test_in_a_container_gpu_memory_is_how_much_more_is_in_use(card: Path, process: subprocess.Popen[str]) -> None:
    tree = ProcessTree(process.pid)

    assert gpu_bytes(tree, used_before=1000 * 2**20) == 2000 * 2**20
    assert gpu_bytes(tree, used_before=None) is None  # others may have come


def test_a_process_that_nvidia_smi_knows_is_taken_by_its_number(card: Path, process: subprocess.Popen[str]) -> None:
    card.write_text(f"#!/bin/sh\necho {process.pid}, 512\n")

    assert gpu_bytes(ProcessTree(process.pid), used_before=0) == 512 * 2**20
