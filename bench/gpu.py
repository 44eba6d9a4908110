"""NVIDIA's GPUs, as nvidia-smi knows them: what they are, and how much memory processes hold there."""

from __future__ import annotations

import subprocess
from collections.abc import Collection

_SMI = "nvidia-smi"
_MIB = 2**20
_TIMEOUT_S = 20.0


def names(smi: str = _SMI) -> tuple[str, ...]:
    """Each with memory and driver; none where there is no GPU, or no nvidia-smi."""
    rows = _rows(smi, "--query-gpu=name,memory.total,driver_version")
    return tuple(f"{row[0]}, {row[1]} MiB, driver {row[2]}" for row in rows if len(row) == 3)


def cuda_version() -> str:
    """What torch was built for, where it sees a GPU; else nothing."""
    import torch

    return str(torch.version.cuda) if torch.cuda.is_available() else ""


def memory_bytes(pids: Collection[int], smi: str = _SMI) -> int | None:
    """
    What these processes hold on all GPUs; None where nvidia-smi does not know any of them.

    It knows processes by the machine's numbers, which are others inside of a container.
    """
    held = [
        int(row[1]) * _MIB
        for row in _rows(smi, "--query-compute-apps=pid,used_gpu_memory")
        if len(row) == 2 and row[0].isdigit() and int(row[0]) in pids and row[1].isdigit()
    ]
    return sum(held) if held else None


def used_bytes(smi: str = _SMI) -> int | None:
    """What is in use on all GPUs, by whomever; None where there are none."""
    used = [int(row[0]) * _MIB for row in _rows(smi, "--query-gpu=memory.used") if row[0].isdigit()]
    return sum(used) if used else None


def _rows(smi: str, query: str) -> list[list[str]]:
    command = [smi, query, "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=_TIMEOUT_S)
    except (OSError, subprocess.SubprocessError):
        return []
    return [[cell.strip() for cell in line.split(",")] for line in done.stdout.splitlines() if line.strip()]
