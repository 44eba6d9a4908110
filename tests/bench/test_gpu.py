"""What nvidia-smi says is understood, and what it does not know is not made up."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import gpu


@pytest.fixture
def smi(tmp_path: Path) -> str:
    """Two cards, and two processes of which one is on both."""
    program = tmp_path / "nvidia-smi"
    program.write_text(
        """#!/bin/sh
case "$1" in
  --query-gpu=name*) echo "NVIDIA H100, 81559, 570.86"; echo "NVIDIA H100, 81559, 570.86";;
  --query-compute-apps=*) echo "17, 1024"; echo "17, 512"; echo "18, 4096"; echo "19, [N/A]";;
  --query-gpu=memory.used) echo 2000; echo 3000;;
esac
"""
    )
    program.chmod(0o755)
    return str(program)


def test_cards_are_named_with_their_memory(smi: str) -> None:
    assert gpu.names(smi) == ("NVIDIA H100, 81559 MiB, driver 570.86",) * 2


def test_memory_is_that_of_the_process_on_all_cards(smi: str) -> None:
    assert gpu.memory_bytes({17}, smi) == 1536 * 2**20
    assert gpu.memory_bytes({17, 18}, smi) == 5632 * 2**20
    assert gpu.used_bytes(smi) == 5000 * 2**20


@pytest.mark.parametrize("pids", [{99}, {19}, set()])
def test_of_processes_that_it_does_not_know_nothing_is_said(smi: str, pids: set[int]) -> None:
    assert gpu.memory_bytes(pids, smi) is None


def test_a_machine_without_cards_has_none(tmp_path: Path) -> None:
    missing = str(tmp_path / "nvidia-smi")

    assert (gpu.names(missing), gpu.memory_bytes({1}, missing), gpu.used_bytes(missing)) == ((), None, None)


def test_a_program_that_fails_is_no_card(tmp_path: Path) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho no driver\nexit 9\n")
    program.chmod(0o755)

    assert gpu.names(str(program)) == ()
