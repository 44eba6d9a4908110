"""Text in Feishu's Markdown: what somebody else has written must not become tags, pictures, mentions or tables."""

from __future__ import annotations

import re

_AT = re.compile(r"<(?=\s*/?\s*at\b)", re.IGNORECASE)
_EVERY = re.compile(r"[<>*_~\[\]()#`|\\$!]")


def literal(text: str) -> str:
    """Shown as it is: quotes, titles, questions. Line breaks become blanks."""
    flat = " ".join(text.split())
    return _EVERY.sub(lambda found: f"&#{ord(found[0])};", flat)


def answer_markup(text: str) -> str:
    """
    An answer keeps its lists, emphasis and code.

    A longer text's markup begins with a shorter one's, as long as the text does: Feishu then types on.
    """
    # tags would mention people, pictures of other servers are refused, and so are more than a few tables; words of a
    # document that hide an address behind other words would be taken for ours
    return text.replace("<", "&#60;").replace("![", "!&#91;").replace("](", "]&#40;").replace("|", "&#124;")


def without_mentions(text: str) -> str:
    """For plain and rich text, in which `<at …>` would call people, or everybody."""
    return _AT.sub("＜", text)


def link(text: str, url: str) -> str:
    """`text` is taken literally."""
    shown = literal(text)
    if not url:
        return shown
    safe = url.replace("(", "%28").replace(")", "%29").replace(" ", "%20").replace("<", "%3C").replace(">", "%3E")
    return f"[{shown}]({safe})"


def shortened(text: str, characters: int) -> str:
    return text if len(text) <= characters else text[: characters - 1].rstrip() + "…"
