"""
Named arrays in one file that is read by mapping it into memory: the safetensors layout, written piece by piece.

The format is https://github.com/huggingface/safetensors#format; the library writes only what fits into memory.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ingest.stores.disk import flush_folder

_NAMES = {"F32": np.float32, "I64": np.int64, "I32": np.int32, "U64": np.uint64, "U32": np.uint32}
_TYPES = {np.dtype(dtype): name for name, dtype in _NAMES.items()}
_LONGEST_HEADER = 1 << 20


class DamagedArrays(Exception):
    """The file is not what was written."""


@dataclass(frozen=True, slots=True)
class Planned:
    """An array that will be written: its whole shape, and its pieces one after the other along the first axis."""

    dtype: type
    shape: tuple[int, ...]
    pieces: Iterable[NDArray[Any]]

    @property
    def size(self) -> int:
        return int(np.prod(self.shape)) * np.dtype(self.dtype).itemsize


def write_arrays(path: Path, arrays: Mapping[str, Planned]) -> str:
    """
    Write beside, flush to the disk, rename; the sha256 of the file.

    Raises:
        OSError: the disk is full or not writable; nothing is left of it.
        ValueError: the pieces are not what was planned.
    """
    fresh = path.with_name(f".{path.name}.new")
    digest = hashlib.sha256()
    try:
        with fresh.open("wb") as file:
            for piece in _pieces(arrays):
                file.write(piece)
                digest.update(piece)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise
    flush_folder(path.parent)
    return digest.hexdigest()


def map_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """
    The arrays of a file, mapped: only what is used is read. Empty ones are in memory.

    Raises:
        OSError: it cannot be opened.
        DamagedArrays: its header or its size is wrong.
    """
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        header = file.read(size) if size <= _LONGEST_HEADER else b""
    try:
        entries: dict[str, Any] = json.loads(header)
        expected = 8 + size + max((entry["data_offsets"][1] for entry in entries.values()), default=0)
        if path.stat().st_size != expected:
            raise DamagedArrays(f"{path.name} has {path.stat().st_size} bytes and not {expected}")
        return {name: _mapped(path, 8 + size, entry) for name, entry in entries.items()}
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise DamagedArrays(f"the header of {path.name} is damaged") from error


def sha256_of(path: Path) -> str:
    """
    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _pieces(arrays: Mapping[str, Planned]) -> Iterator[bytes | memoryview]:
    yield _header(arrays)
    for name, planned in arrays.items():
        written = 0
        for piece in planned.pieces:
            data = np.ascontiguousarray(piece, dtype=planned.dtype).reshape(-1).view(np.uint8).data
            written += data.nbytes
            yield data
        if written != planned.size:
            raise ValueError(f"{name} has {written} bytes and not {planned.size}")


def _header(arrays: Mapping[str, Planned]) -> bytes:
    entries, offset = {}, 0
    for name, planned in arrays.items():
        entries[name] = {
            "dtype": _TYPES[np.dtype(planned.dtype)],
            "shape": list(planned.shape),
            "data_offsets": [offset, offset + planned.size],
        }
        offset += planned.size
    header = json.dumps(entries).encode()
    header += b" " * (-len(header) % 64 + 56)  # the data begins at a multiple of 64, for the processor's sake
    return len(header).to_bytes(8, "little") + header


def _mapped(path: Path, start: int, entry: Mapping[str, Any]) -> NDArray[Any]:
    dtype, shape = _NAMES[entry["dtype"]], tuple(entry["shape"])
    if 0 in shape:
        return np.zeros(shape, dtype=dtype)
    # as a plain array: slices of a memmap are memmaps, and making one takes longer than what is done with it
    return np.asarray(np.memmap(path, dtype=dtype, mode="r", offset=start + entry["data_offsets"][0], shape=shape))
