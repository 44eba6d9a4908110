"""Writing so that a crash or a full disk leaves the old file or the new one."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ingest.errors import StorageFull

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM}


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
        raise StorageFull(
            f"{folder} cannot be written ({os.strerror(error.errno or 0)}): make room, or set LARKWISE_DATA_DIR to a "
            "folder that has some. What was there before is unharmed"
        ) from error
