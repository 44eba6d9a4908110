"""Images and files: what people put into messages, and what the bot has uploaded."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Literal
from urllib.parse import quote

from tests.app.feishu.platform.calls import Refused, Reply
from tests.app.feishu.platform.limits import Limits
from tests.app.feishu.platform.messages import SentMessage

NO_RESOURCE = {"sticker", "interactive", "merge_forward"}


@dataclass(frozen=True, slots=True)
class Kept:
    key: str
    kind: Literal["image", "file"]
    name: str
    data: bytes
    by_bot: bool


class Resources:
    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._all: dict[str, Kept] = {}

    def keep(self, data: bytes, kind: Literal["image", "file"], *, name: str = "", by_bot: bool = False) -> str:
        """Its key."""
        key = f"{'img' if kind == 'image' else 'file'}_v3_{secrets.token_hex(16)}"
        self._all[key] = Kept(key, kind, name, data, by_bot)
        return key

    def upload_image(self, data: bytes) -> str:
        if not data:
            raise Refused(234010, "File's size can't be 0.")
        if len(data) > self._limits.image_bytes:
            raise Refused(234006, "The file size exceed the max value.")
        return self.keep(data, "image", by_bot=True)

    def own_image(self, key: str, *, disposition: bool) -> Reply:
        """Only of the bot: images of people are got with their message."""
        kept = self._all.get(key)
        if kept is None or not kept.by_bot:
            raise Refused(234008, "The app is not the resource sender.")
        return _download(kept, disposition=disposition)

    def of_message(self, message: SentMessage, key: str, kind: str, *, disposition: bool) -> Reply:
        if message.upper_message_id or message.msg_type in NO_RESOURCE:
            raise Refused(234043, "Unsupported message type.")
        kept = self._all.get(key)
        if kept is None or key not in message.raw_content:
            raise Refused(234003, "File not in msg.")
        if kind != kept.kind:
            raise Refused(234001, "Invalid request param.")
        if len(kept.data) > self._limits.resource_bytes:
            raise Refused(234037, "Downloaded file size exceeds limit.")
        return _download(kept, disposition=disposition)


def _download(kept: Kept, *, disposition: bool) -> Reply:
    return download(kept.data, kept.name or f"{kept.key}.{_suffix(kept.data)}", disposition=disposition)


def download(data: bytes, name: str, *, disposition: bool = True) -> Reply:
    """Bytes with a name; Feishu gives the name where the request has a content type."""
    headers = {"Content-Type": _content_type(data, name)}
    if disposition:
        ascii_name = name.encode("ascii", "ignore").decode().replace('"', "") or "download"
        headers["Content-Disposition"] = f"attachment; filename=\"{ascii_name}\"; filename*=UTF-8''{quote(name)}"
    return Reply(200, data, headers)


def _suffix(data: bytes) -> str:
    return {"image/png": "png", "image/jpeg": "jpg", "image/gif": "gif"}.get(_content_type(data, ""), "bin")


def _content_type(data: bytes, name: str) -> str:
    starts = {b"\x89PNG": "image/png", b"\xff\xd8\xff": "image/jpeg", b"GIF8": "image/gif", b"%PDF": "application/pdf"}
    for start, kind in starts.items():
        if data.startswith(start):
            return kind
    return "text/plain" if name.endswith((".txt", ".md", ".csv")) else "application/octet-stream"
