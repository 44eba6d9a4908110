"""Which loader reads what a server sends: by its Content-Type, and by the address where that says nothing."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from urllib.parse import unquote

from ingest.errors import UnsupportedDocument
from ingest.loaders.code import CODE_SUFFIXES
from ingest.loaders.table import readable_kinds, why_unread
from ingest.loaders.text import TEXT_SUFFIXES
from ingest.web.addresses import Address

HTML = (".html", ".htm", ".xhtml")

_MARKDOWN = (".md", ".markdown")
_JSON_LINES = (".jsonl", ".ndjson")
_OFFICE = "application/vnd.openxmlformats-officedocument"
_MACROS = "application/vnd.ms"
_PLAIN = (".txt", *TEXT_SUFFIXES, *CODE_SUFFIXES, *_MARKDOWN, *_JSON_LINES, ".csv", ".tsv", ".json", ".ipynb")
"""A server of raw files calls all of these text/plain."""
_SUFFIXES: dict[str, tuple[str, ...]] = {
    "text/html": HTML,
    "application/xhtml+xml": HTML,
    "text/plain": _PLAIN,
    "text/markdown": _MARKDOWN,
    "text/x-markdown": _MARKDOWN,
    "text/csv": (".csv", ".tsv"),
    "text/tab-separated-values": (".tsv",),
    "application/json": (".json", ".ipynb", *_JSON_LINES),
    "application/jsonl": _JSON_LINES,
    "application/x-ndjson": _JSON_LINES,
    "application/x-ipynb+json": (".ipynb",),
    "application/pdf": (".pdf",),
    "application/x-pdf": (".pdf",),
    "application/epub+zip": (".epub",),
    "message/rfc822": (".eml",),
    "application/zip": (".zip", ".docx", ".pptx", ".xlsx", ".epub"),
    "application/x-zip-compressed": (".zip", ".docx", ".pptx", ".xlsx", ".epub"),
    f"{_OFFICE}.wordprocessingml.document": (".docx",),
    f"{_OFFICE}.presentationml.presentation": (".pptx",),
    f"{_OFFICE}.spreadsheetml.sheet": (".xlsx",),
    f"{_MACROS}-word.document.macroenabled.12": (".docm",),
    f"{_MACROS}-powerpoint.presentation.macroenabled.12": (".pptm",),
    f"{_MACROS}-excel.sheet.macroenabled.12": (".xlsm",),
    "image/png": (".png",),
    "image/jpeg": (".jpg", ".jpeg"),
    "image/gif": (".gif",),
    "image/tiff": (".tif", ".tiff"),
    "image/webp": (".webp",),
    "image/bmp": (".bmp",),
}
"""The first is the usual one; an address that ends in one of the others keeps its ending."""
_NEVER_READ = ("audio", "font", "image", "video")
_ENCODED = (*HTML, *_PLAIN)
"""Text, to which the charset of a Content-Type applies."""
_NOT_IN_NAMES = re.compile(r"[^\w .()+~@-]")
_NAME_CHARACTERS = 100


def name_of(address: Address, content_type: str) -> str:
    """
    A file's name for the page, with the ending that chooses its loader: `https://h/a` as text/html is "a.html".

    Raises:
        UnsupportedDocument: nothing reads this kind of content.
    """
    stem, ending = _stem_and_ending(address)
    suffix = _suffix(media_type(content_type), ending, address)
    if reason := why_unread(suffix):
        raise UnsupportedDocument(f"{address.readable} is not read: {reason}")
    return stem + suffix


def is_html(name: str) -> bool:
    return name.endswith(HTML)


def is_text(name: str) -> bool:
    """Whether the charset of a Content-Type says anything about it."""
    return name.endswith(_ENCODED)


def media_type(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()


def _suffix(kind: str, ending: str, address: Address) -> str:
    if usual := _SUFFIXES.get(kind):
        return ending if ending in usual else usual[0]
    if ending and kind.partition("/")[0] not in _NEVER_READ:
        return ending
    sent_as = f"is sent as {kind[:80]!r}" if kind else "is sent without a word on its kind"
    raise UnsupportedDocument(f"{address.readable} {sent_as}, which is not read; read are {readable_kinds()}")


def _stem_and_ending(address: Address) -> tuple[str, str]:
    """The ending only where a loader has it: "v1.2" is a name without one."""
    last = next((part for part in reversed(address.path.split("/")) if part), "") or address.host
    plain = _NOT_IN_NAMES.sub("_", unquote(last, errors="replace"))
    suffix = PurePosixPath(plain).suffix.lower()
    is_known = why_unread(suffix) is None or any(suffix in usual for usual in _SUFFIXES.values())
    if last == address.host or not is_known:
        return plain.strip(". ")[:_NAME_CHARACTERS] or "page", ""
    return plain[: -len(suffix)].strip(". ")[:_NAME_CHARACTERS] or "page", suffix
