"""What an app needs in Feishu's developer console, and what does not work without it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Permission:
    """
    One of `scopes` is enough, as Feishu documents it; the first is the one to ask for.

    `without` says what does not work; `is_optional` where larkwise answers in chats all the same.
    """

    scopes: tuple[str, ...]
    without: str
    is_optional: bool = False


SEES_ITSELF = "application:application:self_manage"
PERMISSIONS = (
    Permission(
        ("im:message.p2p_msg:readonly", "im:message.p2p_msg"), "messages of people who write to the bot do not arrive"
    ),
    Permission(
        ("im:message.group_at_msg:readonly", "im:message.group_at_msg", "im:message.group_msg"),
        "messages of groups do not arrive, also where they mention the bot",
    ),
    Permission(("im:message:send_as_bot", "im:message", "im:message:send"), "the bot cannot answer"),
    Permission(("cardkit:card:write",), "answers are rich text without buttons, and do not appear word by word"),
    Permission(
        ("im:message:readonly", "im:message.history:readonly", "im:message"),
        "images, files and forwarded messages cannot be read",
    ),
    Permission(
        ("im:message.reactions:read", "im:message:readonly", "im:message"),
        "reactions to an answer do not count as feedback",
    ),
    Permission(
        ("im:message.group_msg",),
        "in groups, forwarded messages cannot be read, and after a crash it cannot be looked up whether an answer was "
        "sent; Feishu counts it among the sensitive permissions",
        is_optional=True,
    ),
    Permission(
        ("wiki:wiki:readonly", "wiki:wiki", "wiki:node:retrieve"),
        "`larkwise ingest feishu --space` cannot list a wiki",
        is_optional=True,
    ),
    Permission(
        ("docx:document:readonly", "docx:document"), "`larkwise ingest feishu` cannot read documents", is_optional=True
    ),
    Permission(
        ("drive:drive:readonly", "drive:drive", "space:document:retrieve"),
        "`larkwise ingest feishu --folder` cannot list a folder",
        is_optional=True,
    ),
    Permission(
        ("drive:file:download", "drive:drive:readonly", "drive:drive"),
        "`larkwise ingest feishu` cannot download files",
        is_optional=True,
    ),
    Permission((SEES_ITSELF,), "`larkwise feishu check` cannot see the subscriptions below", is_optional=True),
)

EVENTS: Mapping[str, str] = {
    "im.message.receive_v1": "no message arrives",
    "im.message.reaction.created_v1": "reactions to an answer do not count as feedback",
    "im.message.recalled_v1": "a question that is recalled is answered all the same",
}
"""And what does not work without them."""

CALLBACK = "card.action.trigger"
WITHOUT_CALLBACK = "the buttons below an answer do nothing"
