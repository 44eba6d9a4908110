"""The bytes of an answer, unpacked, and never more of them than may be."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator

from ingest.errors import DocumentTooLarge
from ingest.loaders.limits import MIB
from ingest.web.errors import Unreachable

ACCEPTED = "gzip"
"""The one encoding that is asked for, and unpacked here: piece by piece, so that a bomb ends at the limit."""

_GZIP = 16 + zlib.MAX_WBITS
_GZIP_START = b"\x1f\x8b"
_PIECE_BYTES = 256 * 1024


def read_body(chunks: Iterable[bytes], encoding: str, name: str, *, max_bytes: int, cut: bool = False) -> bytes:
    """
    The whole of it; with `cut`, the beginning of one that is too long.

    Raises:
        DocumentTooLarge: it is longer than `max_bytes`, as it is sent or unpacked.
        Unreachable: it is packed in a way that was not asked for, or damaged.
    """
    kept = bytearray()
    for piece in _unpacked(_counted(chunks, name, max_bytes, cut=cut), encoding, name):
        kept += piece
        if len(kept) > max_bytes:
            if cut:
                break
            raise too_large(name, max_bytes)
    return bytes(kept[:max_bytes])


def too_large(name: str, max_bytes: int) -> DocumentTooLarge:
    return DocumentTooLarge(
        f"{name} is larger than the {max_bytes / MIB:,.3g} MiB that are fetched of a page of its kind: "
        "save it as a file, split it, and ingest that"
    )


def _counted(chunks: Iterable[bytes], name: str, max_bytes: int, *, cut: bool) -> Iterator[bytes]:
    """Packed bytes count too: an endless row of empty gzip members unpacks to nothing."""
    total = 0
    for chunk in chunks:
        total += len(chunk)
        if total > max_bytes and not cut:
            raise too_large(name, max_bytes)
        yield chunk
        if total > max_bytes:
            return


def _unpacked(chunks: Iterable[bytes], encoding: str, name: str) -> Iterator[bytes]:
    if encoding in ("", "identity"):
        yield from chunks
    elif encoding in ("gzip", "x-gzip"):
        try:
            yield from _gunzipped(chunks, name)
        except zlib.error as error:
            raise Unreachable(f"{name} comes damaged ({error}): try again later") from error
    else:
        raise Unreachable(f"{name} comes packed as {encoding[:40]!r}, which was not asked for: save it as a file")


def _gunzipped(chunks: Iterable[bytes], name: str) -> Iterator[bytes]:
    inflater = zlib.decompressobj(_GZIP)
    for chunk in chunks:
        data = chunk
        while data:
            if inflater.eof:
                if not data.startswith(_GZIP_START):
                    return  # padding after the last member
                inflater = zlib.decompressobj(_GZIP)
            yield inflater.decompress(data, _PIECE_BYTES)
            data = inflater.unused_data if inflater.eof else inflater.unconsumed_tail
    yield inflater.flush()
    if not inflater.eof:
        raise Unreachable(f"{name} breaks off: try again later")
