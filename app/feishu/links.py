"""Links from a card to an uploaded original: whoever has one may open it, for as long as the card can be changed."""

from __future__ import annotations

import hashlib
import hmac
import time
from urllib.parse import quote, urlencode

_VALID_S = 14 * 24 * 3600


def original_link(
    public_url: str, secret: str, collection: str, document_id: str, *, now_s: float | None = None
) -> str:
    """Empty where nobody knows by which address people reach the service."""
    if not public_url:
        return ""
    until = str(int((time.time() if now_s is None else now_s) + _VALID_S))
    signature = _signature(secret, collection, document_id, until)
    path = f"/feishu/originals/{quote(collection, safe='')}/{quote(document_id, safe='')}"
    return f"{public_url}{path}?{urlencode({'until': until, 'signature': signature})}"


def is_valid_link(
    secret: str, collection: str, document_id: str, until: str, signature: str, *, now_s: float | None = None
) -> bool:
    expected = _signature(secret, collection, document_id, until)
    is_ours = hmac.compare_digest(expected.encode(), signature.encode())
    return is_ours and until.isdecimal() and int(until) >= (time.time() if now_s is None else now_s)


def _signature(secret: str, *parts: str) -> str:
    return hmac.new(secret.encode(), "\n".join(parts).encode(), hashlib.sha256).hexdigest()
