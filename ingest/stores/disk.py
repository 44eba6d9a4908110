"""What survives a power cut, and what to say of a disk that is in the way."""

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


def flush_file(path: Path) -> None:
    """Make what was written to it survive a power cut."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def flush_folder(folder: Path) -> None:
    """Make a rename in it survive a power cut."""
    flush_file(folder)


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
