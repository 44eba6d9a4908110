"""On what a measurement was made: without it a number says nothing."""

from __future__ import annotations

import os
import platform
import subprocess
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from bench import gpu
from bench.processes import total_memory_bytes

_PACKAGES = (
    "larkwise", "torch", "transformers", "langchain-core", "langchain-huggingface", "langchain-openai", "numpy",
)  # fmt: skip

UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Environment:
    """The machine and what ran on it; `commit` ends in "+" where files differed from it."""

    cpu: str
    cores: int
    """That this process may use."""
    memory_bytes: int
    system: str
    python: str
    versions: dict[str, str]
    commit: str
    gpus: tuple[str, ...] = ()
    """Each with its memory and driver."""
    cuda: str = ""
    """What torch was built for; empty where it uses no GPU."""


def here() -> Environment:
    return Environment(
        cpu=_cpu_model(),
        cores=cores(),
        memory_bytes=total_memory_bytes(),
        system=platform.platform(),
        python=platform.python_version(),
        versions={name: _version(name) for name in _PACKAGES},
        commit=_commit(Path(__file__)),
        gpus=gpu.names(),
        cuda=gpu.cuda_version(),
    )


def cores() -> int:
    """How many this process may use."""
    if hasattr(os, "sched_getaffinity"):  # not on every system
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _cpu_model(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    try:
        lines = cpuinfo.read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.machine())


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _commit(file: Path) -> str:
    """Of the repository that knows this file; an installed copy may lie in somebody else's."""
    folder = file.parent
    try:
        _git(folder, "ls-files", "--error-unmatch", file.name)
        commit = _git(folder, "rev-parse", "--short=12", "HEAD")
        return commit + ("+" if _git(folder, "status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.CalledProcessError):
        return UNKNOWN


def _git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()
