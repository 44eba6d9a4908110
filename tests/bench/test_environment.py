"""On what a measurement was made."""

from __future__ import annotations

import subprocess
from pathlib import Path

from bench.environment import _commit


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=a", "-c", "user.email=a@example.com")
    done = subprocess.run(["git", "-C", str(folder), *identity, *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_the_commit_is_that_of_the_repository_that_knows_the_file(tmp_path: Path) -> None:
    """A copy that was installed in an environment within somebody's repository is not at their commit."""
    ours, theirs = tmp_path / "ours.py", tmp_path / ".venv" / "installed.py"
    for file in (ours, theirs):
        file.parent.mkdir(exist_ok=True)
        file.write_text("1\n")
    git(tmp_path, "init")
    git(tmp_path, "add", "ours.py")
    git(tmp_path, "commit", "--message", "Begin")

    assert _commit(ours) == git(tmp_path, "rev-parse", "--short=12", "HEAD")
    assert _commit(theirs) == "unknown"
