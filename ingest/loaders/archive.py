"""Zip files, whatever they hold, opened so that none can fill the memory."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager

from ingest.errors import DocumentError, DocumentTooLarge, EncryptedDocument, UnreadableDocument
from ingest.loaders.guard import damage_explained
from ingest.loaders.limits import MAX_FILE_BYTES, MAX_MEMBERS, MAX_RATIO, MIB, RATIO_FREE_BYTES, Budget

_DIRECTORY_ENTRY = b"PK\x01\x02"
_UTF8_NAME = 0x800
_ENCRYPTED = 0x1
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_DRIVE = re.compile(r"[A-Za-z]:")


@contextmanager
def opened(data: bytes, name: str, kind: str) -> Iterator[zipfile.ZipFile]:
    """
    Raises:
        UnreadableDocument: it is damaged, or no such archive.
        DocumentTooLarge: it has too many members.
    """
    count = member_count(data)
    if count > MAX_MEMBERS:
        raise DocumentTooLarge(f"{name} has {count:,} members, and at most {MAX_MEMBERS:,} are read: split it")
    with damage_explained(name, kind):
        archive = zipfile.ZipFile(io.BytesIO(data))
    with archive:
        yield archive


def member_count(data: bytes) -> int:
    """
    How many members an archive has at most, counted before zipfile makes an object of each.

    Members of an archive that is stored within it unpacked count too.
    """
    return data.count(_DIRECTORY_ENTRY)


def read_member(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo, name: str, budget: Budget, *, max_bytes: int = MAX_FILE_BYTES
) -> bytes:
    """
    The member's bytes; `name` is how a message calls it.

    zipfile never gives more than the size that the directory claims, so that the claims can be checked beforehand.

    Raises:
        DocumentError: it is encrypted, damaged, or too large.
    """
    check_member(info, name, max_bytes=max_bytes)
    budget.unpack(info.file_size, name)
    with damage_explained(name, "a member of its archive"):
        return archive.read(info)


def check_member(info: zipfile.ZipInfo, name: str, *, max_bytes: int = MAX_FILE_BYTES) -> None:
    """
    Raises:
        EncryptedDocument: it needs a password.
        DocumentTooLarge: it would unpack to too much.
    """
    if info.flag_bits & _ENCRYPTED:
        raise EncryptedDocument(f"{name} is protected by a password: unpack the archive, and ingest the folder")
    if info.file_size > max_bytes:
        raise DocumentTooLarge(
            f"{name} would unpack to {info.file_size / MIB:,.0f} MiB, and at most {max_bytes // MIB} MiB are read"
        )
    if info.file_size > RATIO_FREE_BYTES and info.file_size > MAX_RATIO * max(info.compress_size, 1):
        raise DocumentTooLarge(
            f"{name} would unpack to {info.file_size / max(info.compress_size, 1):,.0f} times its size, as bombs do: "
            "it is not unpacked"
        )


def member_name(info: zipfile.ZipInfo) -> str:
    """The member's path; names that Chinese Windows has packed are GBK, which zipfile takes for CP437."""
    if info.flag_bits & _UTF8_NAME or info.filename.isascii():
        return info.filename
    try:
        raw = info.filename.encode("cp437")
    except UnicodeEncodeError:
        return info.filename
    for encoding in ("utf-8", "gb18030"):
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            continue
    return info.filename


def _is_text(name: str) -> bool:
    """A name on the disk in another encoding comes as halves of characters."""
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def name_fault(path: str) -> DocumentError | None:
    """Why a member of this name is not taken: it could pass for a file elsewhere, or garble a terminal."""
    parts = path.replace("\\", "/").split("/")
    if _CONTROL.search(path):
        return UnreadableDocument(f"{path!r} is not read: control characters in its name")
    if not _is_text(path):
        return UnreadableDocument(f"{path!r} is not read: its name is not in UTF-8; rename it")
    if ".." in parts:
        return UnreadableDocument(f"{path!r} is not read: its name leads out of the archive (..)")
    if not parts[0] or _DRIVE.match(path):
        return UnreadableDocument(f"{path!r} is not read: its name is an absolute path")
    return None
