"""Text in the encoding that only the HTTP header names, so that its loader reads it rightly all the same."""

from __future__ import annotations

import codecs
import re

from ingest.errors import DocumentError
from ingest.loaders.encoding import decode, known_encoding
from ingest.loaders.html import html_text
from ingest.web.kinds import is_html

_CHARSET = re.compile(r";\s*charset\s*=\s*[\"']?([\w.:+-]{1,40})", re.IGNORECASE)
_MARKS = (codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_REPLACED = "\ufffd"
_ONE_IN = 200


def with_its_charset(data: bytes, name: str, content_type: str) -> bytes:
    """
    The bytes as they are where the loader would read them as the header says; otherwise as UTF-16 with its mark.

    UTF-16, because the page's own `<meta charset>`, which the header outranks, is none of the loader's business in it.
    A mark at the beginning outranks the header; a header that does not fit the bytes is not believed.
    """
    encoding = _encoding(content_type)
    if encoding is None or not data.strip() or data.startswith(_MARKS) or (encoding == "cp1252" and _is_utf8(data)):
        return data
    text = _decoded(data, encoding)
    if text is None or _lines(text) == _as_loaded(data, name):
        return data
    return codecs.BOM_UTF16_LE + text.encode("utf-16-le", "replace")


def _encoding(content_type: str) -> str | None:
    named = _CHARSET.search(content_type)
    if named is None:
        return None
    return known_encoding(named[1])


def _is_utf8(data: bytes) -> bool:
    """Servers call everything Latin-1 that they have not looked at."""
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _decoded(data: bytes, encoding: str) -> str | None:
    """A few broken characters, as long pages have them, break no page."""
    text = data.decode(encoding, "replace")
    return text if text.count(_REPLACED) * _ONE_IN <= len(text) else None


def _as_loaded(data: bytes, name: str) -> str | None:
    try:
        return _lines(html_text(data, name) if is_html(name) else decode(data, name))
    except DocumentError:
        return None


def _lines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\ufeff", "")
