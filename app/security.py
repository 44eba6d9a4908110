"""Who asks."""

from __future__ import annotations

import hashlib

from starlette.requests import Request

from app.conversations import ANONYMOUS


def caller_of(request: Request) -> str:
    """
    A name for whoever sent the request: conversations and feedback are kept under it.

    It is derived from the bearer token where there is one, and never holds the token itself.
    """
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        return ANONYMOUS
    return "token-" + hashlib.sha256(token.strip().encode()).hexdigest()[:32]
