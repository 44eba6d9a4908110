"""What stands within a paragraph of a Feishu document, as Markdown."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta, timezone
from itertools import groupby
from urllib.parse import unquote

from app.feishu.loose import Loose

_CHINA = timezone(timedelta(hours=8))
"""Feishu keeps a reminder as a moment; the day that it falls on is China's."""


class Target(Loose):
    """What a link or the mention of a document leads to."""

    url: str | None = None
    title: str | None = None


class _Style(Loose):
    link: Target | None = None
    inline_code: bool | None = None
    strikethrough: bool | None = None


class _Run(Loose):
    content: str | None = None
    text_element_style: _Style | None = None


class _Reminder(Loose):
    expire_time: int | None = None
    """In milliseconds."""
    is_whole_day: bool | None = None


class Element(Loose):
    """One of these is there; files and blocks within a line stand in the document as blocks of their own."""

    text_run: _Run | None = None
    mention_doc: Target | None = None
    link_preview: Target | None = None
    mention_user: Loose | None = None
    equation: _Run | None = None
    reminder: _Reminder | None = None


def text_of(elements: Iterable[Element], *, plain: bool = False) -> str:
    """
    Links, code and what is struck out keep their marks, unless it is to be `plain`; other styles say nothing.

    A mention of a person is "@user": Feishu gives an id, and no name.
    """
    pieces = [_piece(element, plain=plain) for element in elements]
    text = ""
    # an editor cuts a link into pieces where its style changes
    for url, group in groupby(pieces, key=lambda piece: piece[1]):
        words = "".join(piece[0] for piece in group)
        text += linked(words, url) if url and not plain else words
    return text.replace("\v", "\n")


def linked(words: str, url: str) -> str:
    """A link whose words are its address is only that."""
    if words.strip() in ("", url):
        return url
    target = url.replace(" ", "%20").replace("(", "%28").replace(")", "%29")
    return f"[{words}]({target})"


def url_of(target: Target | None) -> str:
    """An address as people see it: the open platform gives most of them percent-encoded as a whole."""
    url = (target and target.url) or ""
    return url if "://" in url else unquote(url)


def _piece(element: Element, *, plain: bool) -> tuple[str, str]:
    """Its text, and the address that it leads to."""
    if run := element.text_run:
        style = run.text_element_style or _Style()
        return _styled(run.content or "", style if not plain else _Style()), url_of(style.link)
    if target := element.mention_doc or element.link_preview:
        return target.title or url_of(target), url_of(target)
    if element.equation:
        return f"${(element.equation.content or '').strip()}$", ""
    if element.reminder:
        return _moment(element.reminder), ""
    return "@user" if element.mention_user else "", ""


def _styled(text: str, style: _Style) -> str:
    if not text.strip():
        return text
    if style.inline_code:
        text = f"`{text}`"
    return f"~~{text}~~" if style.strikethrough else text


def _moment(reminder: _Reminder) -> str:
    try:
        moment = datetime.fromtimestamp((reminder.expire_time or 0) / 1000, _CHINA)
    except (ValueError, OverflowError, OSError):
        return ""
    return f"{moment:%Y-%m-%d}" if reminder.is_whole_day else f"{moment:%Y-%m-%d %H:%M}"
