"""Following folders: what changes in them goes into the collection soon after."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path

from watchfiles import watch

from ingest.errors import IngestError
from ingest.files import IGNORE_FILE

_QUIET_MS = 800
"""A change is worked on when nothing has changed for so long: files are often written in pieces."""
_LONGEST_WAIT_MS = 10_000
_LOOK_MS = 500


def follow(
    paths: Sequence[Path],
    ingest_all: Callable[[], None],
    *,
    stop: threading.Event,
    failed: Callable[[IngestError], None],
) -> None:
    """
    Call `ingest_all` now, and after every change below the paths until `stop` is set.

    An error of one call is told to `failed`, and the work is tried again at the next change.

    Raises:
        IngestError: the first call has failed.
    """
    changes = _changes(paths, stop)
    next(changes, None)  # from here on the watcher runs, so that nothing is missed while the first call works
    ingest_all()
    for changed in changes:
        if not changed:
            continue
        try:
            ingest_all()
        except IngestError as error:
            failed(error)


def _changes(paths: Sequence[Path], stop: threading.Event) -> Iterator[Collection[object]]:
    """What has changed, again and again; nothing where nothing has."""
    # a file is watched through its folder: editors write another file and rename it
    folders = {path if path.is_dir() else path.parent for path in paths}
    return watch(
        *folders,
        stop_event=stop,
        debounce=_LONGEST_WAIT_MS,
        step=_QUIET_MS,
        rust_timeout=_LOOK_MS,
        yield_on_timeout=True,
        watch_filter=_is_visible,
    )


def _is_visible(_: object, path: str) -> bool:
    """Hidden files are not read, but for the one that says what is not to be read."""
    name = Path(path).name
    return not name.startswith(".") or name == IGNORE_FILE
