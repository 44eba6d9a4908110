"""What the parsing libraries raise for a damaged file becomes our error, in one place."""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

from ingest.errors import UnreadableDocument

DAMAGE: tuple[type[Exception], ...] = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    NotImplementedError,
    OSError,
    RecursionError,
    RuntimeError,  # zipfile, for an encrypted member
    SyntaxError,  # both XML libraries: their parse errors are this
    TypeError,
    ValueError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)
"""None of the libraries promises which; found by fuzzing each of them (tests/ingest/loaders/test_fuzz.py)."""


@contextmanager
def damage_explained(name: str, kind: str, *also: type[Exception]) -> Iterator[None]:
    """
    `also` are the library's own errors.

    Raises:
        UnreadableDocument: in place of whatever the library has stumbled over.
    """
    try:
        yield
    except (*DAMAGE, *also) as error:
        what = "nested too deeply" if isinstance(error, RecursionError) else _first_line(error)
        raise UnreadableDocument(
            f"{name} cannot be read as {kind} ({what}): the file may be damaged or cut off"
        ) from error


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), "")[:200] or type(error).__name__
