"""A dataset's CSV files: in a folder, in archives within it, or of a hub's dataset."""

from __future__ import annotations

import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from bench.errors import InvalidDataset

_ARCHIVES = (".zip", ".tar", ".tgz", ".tar.gz")
_UNREADABLE = (OSError, EOFError, zipfile.BadZipFile, tarfile.TarError, zlib.error, NotImplementedError)
"""What the standard library raises for damaged archives; the last for a way of packing that it does not know."""
_ENCRYPTED = 0x1
"""The bit of a zip entry's flags."""
_LONGEST = 64 * 2**20
"""Bytes of one file: the largest of these sets has one of a megabyte."""
_AT_ONCE = 2**20


def csv_files(folder: Path) -> dict[PurePosixPath, str]:
    """
    The text of every CSV file below a folder, by its path there; those in an archive as if it were unpacked.

    An archive that was unpacked here already is not read twice: what it holds under the same name is the same file.

    Raises:
        InvalidDataset: there is none, or one cannot be read.
    """
    loose: dict[PurePosixPath, str] = {}
    packed: dict[PurePosixPath, str] = {}
    for path in sorted(folder.rglob("*")):
        inside = PurePosixPath(path.relative_to(folder).as_posix())
        try:
            if _is_wanted(inside):
                loose[inside] = _text(path.read_bytes(), inside)
            elif path.name.endswith(_ARCHIVES):
                packed |= {inside.parent / name: _text(data, name) for name, data in _members(path)}
        except _UNREADABLE as error:
            raise InvalidDataset(f"{path} cannot be read: {error}") from error
    known = {(path.name, text) for path, text in loose.items()}
    found = loose | {path: text for path, text in packed.items() if (path.name, text) not in known}
    if not found:
        raise InvalidDataset(f"{folder} holds no CSV file, nor an archive with one")
    return found


def fetched(dataset: str) -> Path:
    """
    The CSV files and archives of a hub's dataset, in the hub's own cache.

    Raises:
        InvalidDataset: the hub cannot be reached, or has no such dataset.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    patterns = ["*.csv", *(f"*{suffix}" for suffix in _ARCHIVES)]
    try:
        return Path(snapshot_download(dataset, repo_type="dataset", allow_patterns=patterns))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        raise InvalidDataset(
            f"the dataset {dataset} cannot be fetched ({type(error).__name__}): check its name and HF_ENDPOINT, "
            "or give a `folder` with its CSV files"
        ) from error


def _members(archive: Path) -> Iterator[tuple[PurePosixPath, bytes]]:
    """
    Read in memory: nothing is unpacked, so no name in it can lead anywhere.

    Raises:
        InvalidDataset: a file in it needs a password.
    """
    if archive.suffix == ".zip":
        with zipfile.ZipFile(archive) as opened:
            for entry in opened.infolist():
                if _is_wanted(PurePosixPath(entry.filename)) and entry.file_size <= _LONGEST:
                    if entry.flag_bits & _ENCRYPTED:
                        raise InvalidDataset(f"{archive} cannot be read: {entry.filename} needs a password")
                    yield PurePosixPath(entry.filename), opened.read(entry)
        return
    with tarfile.open(archive) as packed:
        for member in packed:
            if member.isfile() and _is_wanted(PurePosixPath(member.name)) and member.size <= _LONGEST:
                file = packed.extractfile(member)
                assert file is not None
                yield PurePosixPath(member.name), file.read()
        while packed.fileobj.read(_AT_ONCE):
            pass  # what is packed has its checksum at the end


def _is_wanted(name: PurePosixPath) -> bool:
    """macOS puts files of its own beside others, `._test.csv` beside `test.csv`."""
    return name.suffix == ".csv" and not name.name.startswith("._")


def _text(data: bytes, name: PurePosixPath) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        pass
    try:
        return data.decode("gb18030")
    except UnicodeDecodeError as error:
        raise InvalidDataset(f"{name} is neither UTF-8 nor GB 18030") from error
