"""Lists in pages."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

from tests.app.feishu.platform.calls import Asked, Json, invalid_field


def page_of(
    found: Sequence[Any],
    asked: Asked,
    *,
    largest: int,
    usual: int,
    empty_first: set[str],
    items: str = "items",
    token: str = "page_token",
) -> Json:
    """
    The page that is asked for.

    A first page may be empty and yet have more: what the app may not see was taken out of it.
    """
    size = int(asked.query.get("page_size") or usual)
    if not 1 <= size <= largest:
        raise invalid_field("page_size")
    start = _start(asked.query.get("page_token", ""))
    if start is None and any(part in asked.call.path for part in empty_first):
        return {items: [], "has_more": True, token: _token(0)}
    end = (start or 0) + size
    page: Json = {items: list(found[start or 0 : end]), "has_more": end < len(found)}
    if page["has_more"]:
        page[token] = _token(end)
    return page


def _token(offset: int) -> str:
    return base64.urlsafe_b64encode(f"page|{offset}".encode()).decode()


def _start(token: str) -> int | None:
    if not token:
        return None
    try:
        word, _, offset = base64.urlsafe_b64decode(token).decode().partition("|")
        if word == "page":
            return int(offset)
    except ValueError:
        pass
    raise invalid_field("page_token")
