"""Writing so that a crash or a full disk leaves the old file or the new one."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ingest.errors import StorageFull

_NO_ROOM = {
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EROFS,
    errno.EACCES,
    errno.EPERM,
    errno.ENOTDIR,
    errno.EEXIST,
    errno.ENOENT,
    errno.EIO,
}


def write_durably(path: Path, data: bytes) -> None:
    """Write beside, flush to the disk, rename: `path` is never seen half-written."""
    fresh = path.with_name(f".{path.name}.new")
    try:
        with fresh.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except OSError:
        fresh.unlink(missing_ok=True)
        raise
    flush_folder(path.parent)


def flush_folder(folder: Path) -> None:
    """Make a rename in it survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def storage_explained(folder: Path) -> Iterator[None]:
    """
    Raises:
        StorageFull: the disk is full or not writable.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in _NO_ROOM:
            raise
        raise StorageFull(storage_message(folder, os.strerror(error.errno or 0))) from error


def storage_message(folder: Path, reason: str) -> str:
    """What to do where the disk is in the way."""
    return (
        f"{folder} cannot be used ({reason}): make room, or set LARKWISE_DATA_DIR to a folder that can be written and "
        "has some. What was there before is unharmed"
    )
