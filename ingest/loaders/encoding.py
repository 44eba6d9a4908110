"""Bytes to text, in whatever encoding a Chinese or English office has saved them."""

from __future__ import annotations

import codecs

from charset_normalizer import from_bytes

from ingest.errors import EmptyDocument, UnreadableDocument

_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_CANDIDATES = ["gb18030", "big5", "utf_16_le", "utf_16_be", "cp1252"]
_SAMPLE_BYTES = 64 * 1024
_WIDER = {"gb2312": "gb18030", "gbk": "gb18030", "ascii": "cp1252", "iso8859-1": "cp1252", "big5": "big5hkscs"}
"""The pages' names for encodings, read as browsers read them (WHATWG, Encoding)."""
_KNOWN = frozenset(
    {
        *(
            "utf-8",
            "utf-16",
            "utf-16-le",
            "utf-16-be",
            "gb18030",
            "big5hkscs",
            "shift_jis",
            "cp932",
            "euc_jp",
            "euc_kr",
        ),
        *("cp949", "iso2022_jp", "koi8-r", "koi8-u", "cp874", *(f"cp125{page}" for page in range(9))),
        *(f"iso8859-{part}" for part in (2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 14, 15, 16)),
    }
)
"""Python knows more: "punycode" takes a time that grows with the square, and "unicode_escape" is no text's encoding."""
_GB2312_FROM, _GB2312_TO = 0xA1, 0xF7
_NEARLY_ALL = 0.9


def known_encoding(declared: str) -> str | None:
    """Python's name for an encoding that a page declares, as browsers read it; None for what is none of a text's."""
    try:
        encoding = codecs.lookup(declared).name
    except LookupError:
        return None
    encoding = _WIDER.get(encoding, encoding)
    return encoding if encoding in _KNOWN else None


def decode(data: bytes, name: str) -> str:
    """
    The text of a file; line ends become "\\n".

    A byte order mark decides; else UTF-8 where it fits; else the likeliest of GB18030 (GBK), Big5, UTF-16
    and Windows-1252.

    Raises:
        EmptyDocument: there is nothing but white space.
        UnreadableDocument: the bytes are not text.
    """
    text = _decode(data, name).replace("\r\n", "\n").replace("\r", "\n").replace("\ufeff", "")
    if not text.strip():
        raise EmptyDocument(f"{name} holds no text")
    if _looks_binary(text):
        raise _not_text(name)
    return text


def _decode(data: bytes, name: str) -> str:
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            return _strict(data, encoding, name)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        pass
    if _is_simplified(data):
        return _strict(data, "gb18030", name)
    best = from_bytes(_sample(data), cp_isolation=_CANDIDATES).best()
    if best is None:
        raise _not_text(name)
    return _strict(data, best.encoding, name)


def _is_simplified(data: bytes) -> bool:
    """
    Whether this is GBK: too short or too mixed a text for statistics of letters, and unlike Big5 in its bytes.

    Nearly all characters of a Chinese text are of GB 2312, whose second bytes begin at A1; half of Big5's are below.
    """
    if b"\0" in data:
        return False
    try:
        text = data.decode("gb18030")
    except UnicodeDecodeError:
        return False
    wide = [character.encode("gb18030") for character in text[:_SAMPLE_BYTES] if character >= "\x80"]
    common = sum(len(code) == 2 and _GB2312_FROM <= code[0] <= _GB2312_TO and code[1] >= _GB2312_FROM for code in wide)
    return bool(wide) and common >= _NEARLY_ALL * len(wide)


def _sample(data: bytes) -> bytes:
    """Not with the half of a character at its end, which would speak against the right encoding."""
    sample = data[:_SAMPLE_BYTES]
    if len(sample) == len(data) or b"\0" in sample:
        return sample
    return sample[: sample.rfind(b"\n") + 1] or sample


def _strict(data: bytes, encoding: str, name: str) -> str:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        raise _not_text(name) from error


def _looks_binary(text: str) -> bool:
    """Control characters other than white space, or characters of no language, in more than one of 200."""
    sample = text[:_SAMPLE_BYTES]
    odd = sum(1 for c in sample if (c < " " and c not in "\n\t\f\x1b") or c in "\x7f\ufffd" or _unassigned(c))
    return odd * 200 > len(sample)


def _unassigned(character: str) -> bool:
    return "\x80" <= character <= "\x9f" or "\ue000" <= character <= "\uf8ff"


def _not_text(name: str) -> UnreadableDocument:
    return UnreadableDocument(
        f"{name} is not text in an encoding that larkwise knows (UTF-8, UTF-16, GBK, Big5, Windows-1252): "
        "if it is a document of another kind, give it the right ending; else save it as UTF-8"
    )
