"""Which call does what, and what it needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from tests.app.feishu.platform import api_documents as docs
from tests.app.feishu.platform import api_messages as im
from tests.app.feishu.platform import api_other as other
from tests.app.feishu.platform.calls import Asked, Reply
from tests.app.feishu.platform.state import State

Handler: TypeAlias = Callable[[State, Asked], Reply]


@dataclass(frozen=True, slots=True)
class Api:
    """`scopes`: any one of them is enough; `rate`: so many calls in so many seconds, beside the usual limits."""

    method: str
    path: str
    does: Handler
    scopes: tuple[str, ...] = ()
    needs_token: bool = True
    rate: tuple[int, float] | None = None


SEND = ("im:message", "im:message:send_as_bot")
READ = ("im:message", "im:message:readonly")
REACT = ("im:message", "im:message.reactions:write_only")
FILES = ("im:resource", "im:message", "im:message:readonly")
CARD = ("cardkit:card:write",)
WIKI = ("wiki:wiki", "wiki:wiki:readonly")
DOCX = ("docx:document", "docx:document:readonly")
DRIVE = ("drive:drive", "drive:drive:readonly")
FILE = (*DRIVE, "drive:file:download")
MEDIA = (*DRIVE, "docs:document.media:download")

APIS = (
    Api("POST", "/auth/v3/tenant_access_token/internal", other.token, needs_token=False),
    Api("GET", "/bot/v3/info", other.bot_info),
    Api("GET", "/application/v6/scopes", other.scopes),
    Api("POST", "/im/v1/messages", im.create, SEND),
    Api("GET", "/im/v1/messages", im.history, READ),
    Api("POST", "/im/v1/messages/{message_id}/reply", im.reply, SEND),
    Api("GET", "/im/v1/messages/{message_id}", im.get, READ),
    Api("PATCH", "/im/v1/messages/{message_id}", im.patch, (*SEND, "im:message:update")),
    Api("DELETE", "/im/v1/messages/{message_id}", im.delete, SEND),
    Api("GET", "/im/v1/messages/{message_id}/resources/{key}", other.resource, FILES),
    Api("POST", "/im/v1/images", other.upload_image, ("im:resource",)),
    Api("GET", "/im/v1/images/{key}", other.image, ("im:resource",)),
    Api("POST", "/im/v1/messages/{message_id}/reactions", other.add_reaction, REACT),
    Api("GET", "/im/v1/messages/{message_id}/reactions", other.reactions, (*READ, "im:message.reactions:read")),
    Api("DELETE", "/im/v1/messages/{message_id}/reactions/{reaction_id}", other.remove_reaction, REACT),
    Api("GET", "/im/v1/chats/{chat_id}", im.chat, ("im:chat", "im:chat:readonly")),
    Api("POST", "/cardkit/v1/cards", other.create_card, CARD),
    Api("POST", "/cardkit/v1/cards/id_convert", other.convert_id, CARD),
    Api("PUT", "/cardkit/v1/cards/{card_id}", other.replace_card, CARD),
    Api("PATCH", "/cardkit/v1/cards/{card_id}/settings", other.card_settings, CARD),
    Api("PUT", "/cardkit/v1/cards/{card_id}/elements/{element_id}/content", other.stream_text, CARD),
    Api("POST", "/interactive/v1/card/update", other.card_after_click, SEND),
    Api("GET", "/wiki/v2/spaces", docs.spaces, (*WIKI, "wiki:space:retrieve"), rate=(100, 60.0)),
    Api("GET", "/wiki/v2/spaces/get_node", docs.node, (*WIKI, "wiki:node:read"), rate=(100, 60.0)),
    Api("GET", "/wiki/v2/spaces/{space_id}", docs.space, (*WIKI, "wiki:space:read"), rate=(100, 60.0)),
    Api("GET", "/wiki/v2/spaces/{space_id}/nodes", docs.nodes, (*WIKI, "wiki:node:retrieve"), rate=(100, 60.0)),
    Api("GET", "/docx/v1/documents/{document_id}", docs.document, DOCX, rate=(5, 1.0)),
    Api("GET", "/docx/v1/documents/{document_id}/raw_content", docs.raw, DOCX, rate=(5, 1.0)),
    Api("GET", "/docx/v1/documents/{document_id}/blocks", docs.blocks, DOCX, rate=(5, 1.0)),
    Api("GET", "/drive/v1/files", docs.files, (*DRIVE, "space:document:retrieve"), rate=(20, 1.0)),
    Api("GET", "/drive/v1/files/{file_token}/download", docs.file, FILE, rate=(5, 1.0)),
    Api(
        "GET",
        "/drive/v1/medias/{file_token}/download",
        docs.file,
        (*DRIVE, "docs:document.media:download"),
        rate=(5, 1.0),
    ),
    Api("POST", "/drive/v1/metas/batch_query", docs.metas, (*DRIVE, "drive:drive.metadata:readonly")),
)
