"""Which files a command line means."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path

from ingest.documents import Refused
from ingest.errors import NothingToIngest, PathNotFound, UnreadableDocument
from ingest.loaders.archive import name_fault
from ingest.loaders.limits import MAX_FILE_BYTES, check_size
from ingest.loaders.table import readable_kinds, why_unread
from ingest.origins import Listing

IGNORE_FILE = ".larkwiseignore"
"""A line is a pattern such as `drafts/*` for paths below the folder that it stands in."""


@dataclass(frozen=True, slots=True)
class SourceFile:
    """`source` is how a person calls it: the path below the folder that was given, or the file's name."""

    path: Path
    source: str

    @property
    def key(self) -> str:
        return str(self.path)

    @property
    def name(self) -> str:
        return self.source

    @property
    def is_readable_kind(self) -> bool:
        return why_unread(self.path.suffix) is None

    def read(self, *, max_bytes: int = MAX_FILE_BYTES) -> bytes:
        """
        The file's bytes; its size is checked before they are read, and again while they are.

        Raises:
            UnreadableDocument: it may not be read, is gone, or is no regular file.
            DocumentTooLarge: it is larger than `max_bytes`.
        """
        try:
            # a pipe would wait for a writer for ever
            with os.fdopen(os.open(self.path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
                facts = os.fstat(file.fileno())
                if not stat.S_ISREG(facts.st_mode):
                    raise UnreadableDocument(f"{self.source} is no regular file")
                check_size(facts.st_size, self.source, max_bytes=max_bytes)
                data = file.read(max_bytes + 1)
        except OSError as error:
            raise UnreadableDocument(f"{self.source} cannot be read ({error.strerror})") from error
        check_size(len(data), self.source, max_bytes=max_bytes)
        return data


@dataclass(frozen=True, slots=True)
class FileList:
    """`roots` are the folders that were given: what has vanished from them can be told."""

    files: tuple[SourceFile, ...]
    skipped: tuple[Refused, ...]
    roots: tuple[Path, ...]
    failed: tuple[Refused, ...] = ()
    """Files and folders that may not be read, and links that lead nowhere or out of the folder."""
    kept: frozenset[str] = frozenset()
    """The paths of `failed` files: they are there."""
    is_partial: bool = False
    """A folder could not be opened: what is in it is not known."""

    def listing(self) -> Listing:
        """For the pipeline."""
        return Listing(
            origins=self.files,
            total=len(self.files),
            covers=lambda _, source: any(Path(source.key).is_relative_to(root) for root in self.roots),
            is_complete=lambda: not self.is_partial,
            failed=self.failed,
            skipped=self.skipped,
            kept=self.kept,
        )


@dataclass(slots=True)
class _Listing:
    files: dict[Path, SourceFile] = field(default_factory=dict)
    skipped: list[Refused] = field(default_factory=list)
    failed: list[Refused] = field(default_factory=list)
    kept: set[str] = field(default_factory=set)
    is_partial: bool = False


def list_files(paths: Sequence[Path]) -> FileList:
    """
    Every document below folders, and every file that is named itself; hidden files and folders are left out.

    A link is followed where it is named itself, or leads to a file within its folder.

    Raises:
        PathNotFound: a path does not exist.
        NothingToIngest: there is no document among them.
    """
    listing = _Listing()
    roots = [path.resolve() for path in paths if _is_folder(path)]
    for path in paths:
        if _is_folder(path):
            _list_folder(path.resolve(), listing)
        else:
            _list_file(path, listing)
    if not listing.files and not listing.failed:
        raise NothingToIngest(
            f"there is no document in {', '.join(map(str, paths))}: larkwise reads {readable_kinds()}"
        )
    return FileList(
        files=tuple(listing.files.values()),
        skipped=tuple(listing.skipped),
        roots=tuple(roots),
        failed=tuple(listing.failed),
        kept=frozenset(listing.kept),
        is_partial=listing.is_partial,
    )


def _is_folder(path: Path) -> bool:
    try:
        return stat.S_ISDIR(path.stat().st_mode)
    except OSError as error:
        if error.errno is not None and not isinstance(error, FileNotFoundError | NotADirectoryError):
            raise PathNotFound(f"{path} cannot be read ({error.strerror})") from error
        raise PathNotFound(f"{path} does not exist: check the path (relative ones start at {Path.cwd()})") from error


def _list_file(path: Path, listing: _Listing) -> None:
    """Whatever its kind: who names it should be told that it cannot be read."""
    if fault := name_fault(path.name):
        listing.failed.append(Refused(repr(path.name), str(fault)))
    else:
        listing.files[path.resolve()] = SourceFile(path.resolve(), path.name)


def _list_folder(folder: Path, listing: _Listing) -> None:
    ignored = _ignored(folder)
    for path in sorted(_below(folder, listing)):
        source = path.relative_to(folder).as_posix()
        if fault := name_fault(source):
            listing.failed.append(Refused(repr(source), str(fault)))
            listing.kept.add(str(path))
            continue
        try:
            target = _target(path, folder)
        except UnreadableDocument as error:
            listing.failed.append(Refused(source, str(error)))
            listing.kept.add(str(path))
            continue
        reason = "a link to a folder, whose files are read in their own place" if target.is_dir() else None
        reason = reason or (f"named in {IGNORE_FILE}" if any(fnmatch(source, glob) for glob in ignored) else None)
        if reason := reason or why_unread(path.suffix):
            listing.skipped.append(Refused(source, reason))
        else:
            listing.files.setdefault(target, SourceFile(target, source))


def _ignored(folder: Path) -> list[str]:
    """The patterns in a folder's own file of what is not to be read, for paths below it; "#" begins a comment."""
    try:
        lines = (folder / IGNORE_FILE).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        raise PathNotFound(
            f"{folder / IGNORE_FILE} cannot be read ({error}): save it as UTF-8, or remove it"
        ) from error
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def _below(root: Path, listing: _Listing) -> Iterator[Path]:
    """Everything that is no folder; a folder that may not be opened is told."""
    folders = [root]
    while folders:
        folder = folders.pop()
        try:
            with os.scandir(folder) as entries:
                visible = [entry for entry in entries if not entry.name.startswith(".")]
        except OSError as error:
            source = _shown(folder.relative_to(root).as_posix())
            listing.failed.append(Refused(source, f"{source} cannot be opened ({error.strerror})"))
            listing.is_partial = True
            continue
        for entry in visible:
            if entry.is_dir(follow_symlinks=False):
                folders.append(Path(entry.path))
            else:
                yield Path(entry.path)


def _shown(source: str) -> str:
    """A name as a report can hold it."""
    return repr(source) if name_fault(source) else source


def _target(path: Path, folder: Path) -> Path:
    """
    Where a path really leads.

    Raises:
        UnreadableDocument: nowhere, out of the folder, or to something that cannot be read like a file.
    """
    try:
        mode = path.lstat().st_mode
        # the folder is resolved, and links to folders are not gone into: only a link leads elsewhere
        target = path.resolve(strict=True) if stat.S_ISLNK(mode) else path
        mode = target.stat().st_mode if target is not path else mode
    except (OSError, RuntimeError) as error:  # RuntimeError: links in a circle, up to Python 3.12
        raise UnreadableDocument(f"{path.name} cannot be read ({_words(error)})") from error
    if not target.is_relative_to(folder):
        raise UnreadableDocument(f"{path.name} is a link out of the folder, to {target}: name it itself to ingest it")
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        raise UnreadableDocument(f"{path.name} is no regular file")
    return target


def _words(error: OSError | RuntimeError) -> str:
    if isinstance(error, FileNotFoundError):
        return "a link that leads nowhere"
    return error.strerror if isinstance(error, OSError) and error.strerror else "links that lead in a circle"
