"""Which files a command line means."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ingest.documents import Refused
from ingest.errors import NothingToIngest, PathNotFound
from ingest.loaders.table import PARSERS


@dataclass(frozen=True, slots=True)
class SourceFile:
    """`source` is how a person calls it: the path below the folder that was given, or the file's name."""

    path: Path
    source: str

    @property
    def is_readable_kind(self) -> bool:
        return self.path.suffix.lower() in PARSERS


@dataclass(frozen=True, slots=True)
class FileList:
    """`roots` are the folders that were given: what has vanished from them can be told."""

    files: tuple[SourceFile, ...]
    skipped: tuple[Refused, ...]
    roots: tuple[Path, ...]


def list_files(paths: Sequence[Path]) -> FileList:
    """
    Every document below folders, and every file that is named itself; hidden files and folders are left out.

    Raises:
        PathNotFound: a path does not exist.
        NothingToIngest: there is no document among them.
    """
    files: dict[Path, SourceFile] = {}
    skipped: list[Refused] = []
    for path in paths:
        if not path.exists():
            raise PathNotFound(f"{path} does not exist: check the path (relative ones start at {Path.cwd()})")
        if path.is_file():
            files[path.resolve()] = SourceFile(path.resolve(), path.name)
            continue
        for found in _below(path):
            if found.is_readable_kind:
                files.setdefault(found.path, found)
            else:
                skipped.append(Refused(found.source, f"no loader for {found.path.suffix or 'files without an ending'}"))
    if not files:
        kinds = ", ".join(sorted(PARSERS))
        raise NothingToIngest(f"there is no document in {', '.join(map(str, paths))}: larkwise reads {kinds}")
    roots = tuple(path.resolve() for path in paths if path.is_dir())
    return FileList(tuple(files.values()), tuple(skipped), roots)


def _below(folder: Path) -> Iterable[SourceFile]:
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        if path.is_file() and not any(part.startswith(".") for part in relative.parts):
            yield SourceFile(path.resolve(), relative.as_posix())
