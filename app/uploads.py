"""Files that come as multipart/form-data: each goes to the disk while it comes, as far as the limits allow."""

from __future__ import annotations

import asyncio
import os
import threading
import unicodedata
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from io import BufferedWriter
from pathlib import Path, PurePosixPath
from typing import TypeAlias

from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header
from starlette.requests import ClientDisconnect, Request

from app.finishing import to_the_end
from app.originals import file_name
from ingest.loaders.archive import name_fault
from ingest.loaders.table import readable_kinds, why_unread
from ingest.stores.disk import flush_folder, storage_explained

FILES = "files"
"""The name of the form's field for files; it may be there many times."""
MIB = 1024 * 1024
_BLOCK_BYTES = 256 * 1024
"""As much is parsed and written at a time, in a thread."""
_MAX_NAME = 255
_MAX_FIELDS = 20
_MAX_FIELD_BYTES = 64 * 1024


class UploadRefused(Exception):
    """A file, or a whole request, is not taken; the message says why."""


class InvalidUpload(UploadRefused):
    """It has a name that is not taken, or the request is not as it should be."""


class UploadTooLarge(UploadRefused):
    """It is more than may be sent at once."""


class UnsupportedUpload(UploadRefused):
    """No loader reads files of this kind."""


@dataclass(frozen=True, slots=True)
class UploadLimits:
    """What one request may hold."""

    file_bytes: int
    request_bytes: int
    files: int


@dataclass(frozen=True, slots=True)
class Taken:
    """A file that is on the disk now."""

    name: str
    size: int


@dataclass(frozen=True, slots=True)
class NotTaken:
    """A file that is not."""

    name: str
    error: UploadRefused


File: TypeAlias = Taken | NotTaken


@dataclass(slots=True)
class Form:
    """What a request held: its files in their order, and its other fields."""

    files: list[File] = field(default_factory=list)
    fields: dict[str, str] = field(default_factory=dict)

    def check(self) -> None:
        """
        Raises:
            UploadRefused: there is no file that was taken.
        """
        refused = [file for file in self.files if isinstance(file, NotTaken)]
        if len(refused) < len(self.files):
            return
        if not refused:
            raise InvalidUpload(f"there is no file: send at least one in the form's field `{FILES}`")
        kinds = [type(file.error) for file in refused]
        worst = next(kind for kind in (UnsupportedUpload, UploadTooLarge, InvalidUpload) if kind in kinds)
        more = f"; and {len(refused) - 3} more" if len(refused) > 3 else ""
        raise worst("; ".join(str(file.error) for file in refused[:3]) + more)


async def receive(request: Request, folder: Path, limits: UploadLimits) -> Form:
    """
    The form of a request, with its files in `folder`, flushed to the disk.

    Raises:
        InvalidUpload: it is no form, or breaks off.
        UploadTooLarge: it is larger than a request may be, or has too many files.
        StorageFull: the disk is in the way.
    """
    reading = _Reading(_boundary(request.headers), folder, limits)
    blocks = _blocks(request, limits.request_bytes)
    try:
        await asyncio.to_thread(reading.begin)
        async for block in blocks:
            await asyncio.to_thread(reading.write, block)
        return await asyncio.to_thread(reading.end)
    except FormParserError as error:
        raise InvalidUpload(f"the body is no multipart/form-data ({error})") from error
    except ClientDisconnect as error:
        raise InvalidUpload("the body broke off") from error
    finally:
        await to_the_end(asyncio.to_thread(reading.close))


def _boundary(headers: Mapping[str, str]) -> bytes:
    kind, options = parse_options_header(headers.get("Content-Type", ""))
    if kind != b"multipart/form-data" or b"boundary" not in options:
        raise InvalidUpload(f"send multipart/form-data, with each file in the field `{FILES}`")
    return options[b"boundary"]


async def _blocks(request: Request, max_bytes: int) -> AsyncIterator[bytes]:
    waiting, seen = bytearray(), 0
    async for piece in request.stream():
        seen += len(piece)
        if seen > max_bytes:
            # who is still sending would not hear the answer, so listen for a while
            if seen > 2 * max_bytes:
                break
            continue
        waiting += piece
        if len(waiting) >= _BLOCK_BYTES:
            yield bytes(waiting)
            waiting.clear()
    if seen > max_bytes:
        raise UploadTooLarge(f"the request has more than {max_bytes // MIB} MiB, which is the limit: send less at once")
    if waiting:
        yield bytes(waiting)


class _Part:
    """One part of the form, while it comes."""

    def __init__(self) -> None:
        self.headers: list[tuple[bytes, bytes]] = []
        self.header, self.value = b"", b""
        self.field = ""
        self.name: str | None = None
        """Of a file; None for other fields."""
        self.text = bytearray()
        self.file: BufferedWriter | None = None
        self.size = 0
        self.error: UploadRefused | None = None


class _Reading:
    """Takes the body piece by piece; its methods block."""

    def __init__(self, boundary: bytes, folder: Path, limits: UploadLimits) -> None:
        self._folder = folder
        self._limits = limits
        self._form = Form()
        self._part = _Part()
        self._is_complete = False
        self._is_closed = False
        self._busy = threading.Lock()
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._begin_part,
                "on_header_field": self._header_field,
                "on_header_value": self._header_value,
                "on_header_end": self._header_end,
                "on_headers_finished": self._headers_finished,
                "on_part_data": self._part_data,
                "on_part_end": self._part_end,
                "on_end": self._end,
            },
        )

    def begin(self) -> None:
        with self._busy, storage_explained(self._folder):
            if not self._is_closed:
                self._folder.mkdir(parents=True)

    def write(self, data: bytes) -> None:
        with self._busy, storage_explained(self._folder):
            if not self._is_closed:
                self._parser.write(data)

    def end(self) -> Form:
        if not self._is_complete:
            raise InvalidUpload("the body broke off: its last boundary is missing")
        with storage_explained(self._folder):
            flush_folder(self._folder)
            flush_folder(self._folder.parent)
        return self._form

    def close(self) -> None:
        """Nothing is written after this, also by a thread that nobody waits for any more."""
        with self._busy:
            self._is_closed = True
            if self._part.file is not None:
                with suppress(OSError):
                    self._part.file.close()

    # the parser's calls

    def _begin_part(self) -> None:
        self._part = _Part()

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._part.header += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._part.value += data[start:end]

    def _header_end(self) -> None:
        part = self._part
        part.headers.append((part.header.lower(), part.value))
        part.header, part.value = b"", b""

    def _headers_finished(self) -> None:
        part = self._part
        _, options = parse_options_header(dict(part.headers).get(b"content-disposition", b""))
        part.field = options.get(b"name", b"").decode("utf-8", "replace")
        if b"filename" not in options:
            if len(self._form.fields) >= _MAX_FIELDS:
                raise InvalidUpload("the form has too many fields")
            return
        if part.field != FILES:
            raise InvalidUpload(f"a file is in the field {part.field[:80]!r}: send each in the field `{FILES}`")
        if len(self._form.files) >= self._limits.files:
            raise UploadTooLarge(f"at most {self._limits.files} files are taken at once: send the others after them")
        self._begin_file(options[b"filename"])

    def _begin_file(self, raw: bytes) -> None:
        part = self._part
        part.name = raw.decode("utf-8", "replace")
        try:
            part.name = checked_name(raw)
            if any(file.name == part.name for file in self._form.files):
                raise InvalidUpload(f"{part.name!r} is twice in this request: send the other one after it")
            part.file = (self._folder / file_name(part.name)).open("xb")
        except UploadRefused as error:
            part.error = error

    def _part_data(self, data: bytes, start: int, end: int) -> None:
        part = self._part
        part.size += end - start
        if part.name is None:
            if part.size > _MAX_FIELD_BYTES:
                raise InvalidUpload(f"the field {part.field[:80]!r} is too long")
            part.text += data[start:end]
        elif part.file is not None:
            if part.size > self._limits.file_bytes:
                self._too_large(part.name, part.file)
            else:
                part.file.write(memoryview(data)[start:end])

    def _too_large(self, name: str, file: BufferedWriter) -> None:
        file.close()
        self._part.file = None
        (self._folder / file_name(name)).unlink()
        limit = self._limits.file_bytes // MIB
        self._part.error = UploadTooLarge(
            f"{name!r} has more than {limit} MiB, which is the limit for a file: split it"
        )

    def _part_end(self) -> None:
        part = self._part
        if part.name is None:
            self._form.fields[part.field] = part.text.decode("utf-8", "replace")
        elif part.error is not None:
            self._form.files.append(NotTaken(part.name[:_MAX_NAME], part.error))
        elif part.file is not None:
            part.file.flush()
            os.fsync(part.file.fileno())
            part.file.close()
            part.file = None
            self._form.files.append(Taken(part.name, part.size))

    def _end(self) -> None:
        self._is_complete = True


def checked_name(raw: bytes) -> str:
    """
    What the file is called from now on: a path below nowhere in particular, always in the same spelling.

    Raises:
        UploadRefused: it is not taken under this name.
    """
    try:
        name = unicodedata.normalize("NFC", raw.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise InvalidUpload(f"{raw.decode('utf-8', 'replace')!r} is not read: its name is not in UTF-8") from error
    if fault := name_fault(name) if name else None:
        raise InvalidUpload(str(fault))
    name = PurePosixPath(name.replace("\\", "/")).as_posix()
    if name == ".":
        raise InvalidUpload("a file has no name: give it one that ends like '.md'")
    if len(name) > _MAX_NAME:
        raise InvalidUpload(f"'{name[:40]}…' is not read: its name has more than {_MAX_NAME} characters")
    if reason := why_unread(PurePosixPath(name).suffix):
        raise UnsupportedUpload(f"{name!r} is not read: {reason}; larkwise reads {readable_kinds()}")
    return name
