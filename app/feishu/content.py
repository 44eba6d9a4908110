"""What a message says, whichever type it has."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from app.feishu.events import Mention

_BLANKS = re.compile(r"[ \t]+")


@dataclass(frozen=True, slots=True)
class Said:
    """A message's text, and the keys of the images in it."""

    text: str = ""
    images: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Attached:
    """A file in a message."""

    key: str
    name: str


def said(msg_type: str, content: str, mentions: Sequence[Mention] = (), *, me: str = "") -> Said | None:
    """
    Of text, rich text and images; None of every other type.

    Placeholders become names, and that of `me` (an open_id) nothing: whoever speaks to the bot does not ask about it.
    """
    given = _parsed(content)
    match msg_type:
        case "text":
            return Said(_named(str(given.get("text") or ""), mentions, me))
        case "post":
            return _post(given, mentions, me)
        case "image":
            key = str(given.get("image_key") or "")
            return Said(images=(key,) if key else ())
        case _:
            return None


def attached(content: str) -> Attached:
    """Of a message of type `file`."""
    given = _parsed(content)
    return Attached(str(given.get("file_key") or ""), str(given.get("file_name") or "file"))


def mentions_of(me: str, mentions: Iterable[Mention]) -> bool:
    """Whether the message speaks to me."""
    return any(one.open_id == me for one in mentions)


def _parsed(content: str) -> dict[str, Any]:
    try:
        given = json.loads(content)
    except (ValueError, RecursionError):  # brackets can be nested deeper than Python likes
        return {}
    return given if isinstance(given, dict) else {}


def _named(text: str, mentions: Sequence[Mention], me: str) -> str:
    names = {one.key: "" if one.open_id == me else f"@{one.name}" for one in mentions if one.key}
    # the longest first: @_user_1 is the beginning of @_user_10
    for key in sorted(names, key=len, reverse=True):
        text = text.replace(key, names[key])
    # halves of characters cannot be kept, and neither can NUL everywhere
    text = text.replace("@_all", "").replace("\0", "").encode(errors="replace").decode()
    return "\n".join(_BLANKS.sub(" ", line).strip() for line in text.splitlines()).strip()


def _post(given: dict[str, Any], mentions: Sequence[Mention], me: str) -> Said:
    body = given if "content" in given else next((one for one in given.values() if isinstance(one, dict)), {})
    lines = [str(body.get("title") or "")]
    images: list[str] = []
    for paragraph in _paragraphs(body.get("content")):
        line = ""
        for part in paragraph:
            if part.get("tag") == "img" and part.get("image_key"):
                images.append(str(part["image_key"]))
            line += _text_of(part)
        lines.append(line)
    return Said(_named("\n".join(filter(None, lines)), mentions, me), tuple(images))


def _paragraphs(content: object) -> Iterator[list[dict[str, Any]]]:
    for paragraph in content if isinstance(content, list) else []:
        if isinstance(paragraph, list):
            yield [part for part in paragraph if isinstance(part, dict)]


def _text_of(part: dict[str, Any]) -> str:
    match part.get("tag"):
        case "at":
            return str(part.get("user_id") or "")  # a placeholder, as in plain text
        case "a":
            text, href = str(part.get("text") or ""), str(part.get("href") or "")
            return text if href in ("", text) else f"{text} ({href})"
        case "img" | "media" | "emotion" | "hr":
            return ""
        case _:
            return str(part.get("text") or "")
