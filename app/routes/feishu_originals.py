"""GET /feishu/originals/…: an uploaded document, by the link in a card."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import FileResponse

from app.dependencies import ServicesOf
from app.errors import RESPONSES, InvalidLink
from app.feishu.links import is_valid_link
from app.routes.documents import download_original

router = APIRouter(tags=["feishu"], responses=RESPONSES)


@router.get("/feishu/originals/{collection}/{document_id}", response_class=FileResponse)
def original_by_link(
    collection: str,
    document_id: str,
    services: ServicesOf,
    until: Annotated[str, Query(max_length=16)] = "",
    signature: Annotated[str, Query(max_length=64)] = "",
) -> FileResponse:
    """Needs no key: the link is signed, and ends two weeks after its card was written."""
    secret = services.settings.feishu_app_secret.get_secret_value()
    if not secret or not is_valid_link(secret, collection, document_id, until, signature):
        raise InvalidLink("the link is not one of ours, or has ended: ask again for a new one")
    return download_original(collection, document_id, services)
