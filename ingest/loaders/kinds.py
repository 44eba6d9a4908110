"""What a file really is, by its first bytes: an ending can be wrong."""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass

from ingest.errors import EncryptedDocument, UnreadableDocument
from ingest.loaders.archive import member_count
from ingest.loaders.limits import MAX_MEMBERS


@dataclass(frozen=True, slots=True)
class Kind:
    """`words` as in "it is …"; the first of `suffixes` is the usual one."""

    words: str
    suffixes: tuple[str, ...]


PDF = Kind("a PDF", (".pdf",))
WORD = Kind("a Word document", (".docx", ".docm"))
SLIDES = Kind("a PowerPoint presentation", (".pptx", ".pptm"))
EXCEL = Kind("an Excel workbook", (".xlsx", ".xlsm"))
EPUB = Kind("an EPUB book", (".epub",))
ZIP = Kind("a ZIP archive", (".zip",))
PNG = Kind("a PNG image", (".png",))
JPEG = Kind("a JPEG image", (".jpg", ".jpeg"))
GIF = Kind("a GIF image", (".gif",))
TIFF = Kind("a TIFF image", (".tif", ".tiff"))
WEBP = Kind("a WebP image", (".webp",))
BMP = Kind("a BMP image", (".bmp",))

IMAGES = (PNG, JPEG, GIF, TIFF, WEBP, BMP)
IMAGE_SUFFIXES = frozenset(suffix for kind in IMAGES for suffix in kind.suffixes)
_BINARY = (PDF, WORD, SLIDES, EXCEL, EPUB, ZIP, *IMAGES)

_STARTS = (
    (b"%PDF-", PDF),
    (b"\x89PNG\r\n\x1a\n", PNG),
    (b"\xff\xd8\xff", JPEG),
    (b"GIF87a", GIF),
    (b"GIF89a", GIF),
    (b"II*\x00", TIFF),
    (b"MM\x00*", TIFF),
)
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_INSIDE = (("word/document.xml", WORD), ("ppt/presentation.xml", SLIDES), ("xl/workbook.xml", EXCEL))
_OTHER_STARTS = (
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive: unpack it, or pack it as .zip"),
    (b"Rar!\x1a\x07", "a RAR archive: unpack it, or pack it as .zip"),
    (b"\x1f\x8b\x08", "a gzip archive: unpack it, or pack it as .zip"),
    (b"{\\rtf", "an RTF document: save it as .docx"),
)


def check_kind(data: bytes, name: str, suffix: str) -> None:
    """
    Pass a file whose content fits its ending, as far as its first bytes tell.

    Raises:
        EncryptedDocument: an Office file that is locked by a password.
        UnreadableDocument: it is of another kind; the message says which.
    """
    if data.startswith(_OLE):
        raise _ole(data, name)
    found = _kind_of(data)
    if found and suffix not in found.suffixes and not (found in IMAGES and suffix in IMAGE_SUFFIXES):
        raise UnreadableDocument(
            f"{name} is not {_expected(suffix)}: it is {found.words}; give it the ending {found.suffixes[0]}"
        )
    for start, words in _OTHER_STARTS:
        if data.startswith(start):
            raise UnreadableDocument(f"{name} is not {_expected(suffix)}: it is {words}")


def _kind_of(data: bytes) -> Kind | None:
    if data.startswith(b"PK\x03\x04"):
        return _kind_of_archive(data)
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return WEBP
    return next((kind for start, kind in _STARTS if data.startswith(start)), None)


def _kind_of_archive(data: bytes) -> Kind | None:
    """None where it is cut off, or has too many members: its own loader says so in better words."""
    if member_count(data) > MAX_MEMBERS:
        return None
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = set(archive.namelist())
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return None
    if "META-INF/container.xml" in names:
        return EPUB
    return next((kind for inside, kind in _INSIDE if inside in names), ZIP)


def _expected(suffix: str) -> str:
    return next((kind.words for kind in _BINARY if suffix in kind.suffixes), "text")


def _ole(data: bytes, name: str) -> EncryptedDocument | UnreadableDocument:
    if "EncryptedPackage".encode("utf-16-le") in data:
        return EncryptedDocument(f"{name} is protected by a password: save a copy without one")
    return UnreadableDocument(
        f"{name} is in the format of Office before 2007, or an Outlook message: save it as .docx, .pptx, .xlsx or .eml"
    )
