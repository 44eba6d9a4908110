"""The name of a download."""

from __future__ import annotations

import re
from urllib.parse import unquote

_QUOTED = re.compile(r'(?:^|;)\s*filename\s*=\s*"((?:[^"\\]|\\.)*)"', re.IGNORECASE)
_BARE = re.compile(r"(?:^|;)\s*filename\s*=\s*([^\";\s]+)", re.IGNORECASE)
_EXTENDED = re.compile(r"(?:^|;)\s*filename\*\s*=\s*([\w.-]+)'[^']*'([^;\s]+)", re.IGNORECASE)
_LONGEST = 255


def name_in(disposition: str) -> str:
    """
    What a Content-Disposition calls its file, without folders; empty where it has no name.

    `filename*` (RFC 6266) comes before `filename`, in which Feishu escapes other letters as well.
    """
    if extended := _EXTENDED.search(disposition):
        name = _decoded(extended[2], extended[1])
    elif quoted := _QUOTED.search(disposition):
        name = unquote(re.sub(r"\\(.)", r"\1", quoted[1]))
    else:
        bare = _BARE.search(disposition)
        name = unquote(bare[1]) if bare else ""
    visible = "".join(character for character in re.split(r"[/\\]", name)[-1] if character.isprintable())
    return "" if visible in (".", "..") else visible[-_LONGEST:]


def _decoded(escaped: str, encoding: str) -> str:
    try:
        return unquote(escaped, encoding=encoding)
    except LookupError:  # an encoding that nobody knows
        return unquote(escaped)
