"""Feishu's signature of what it sends to the webhook."""

from __future__ import annotations

import hashlib
import hmac


def signature(timestamp: str, nonce: str, encrypt_key: str, body: bytes) -> str:
    """SHA-256 in hexadecimal of timestamp, nonce, Encrypt Key and the body as it came, one after the other."""
    return hashlib.sha256((timestamp + nonce + encrypt_key).encode() + body).hexdigest()


def is_signed(given: str, timestamp: str, nonce: str, encrypt_key: str, body: bytes) -> bool:
    """Whether `given` is that signature, in a time that does not say how much of it is right."""
    expected = signature(timestamp, nonce, encrypt_key, body)
    return hmac.compare_digest(given.encode(), expected.encode())
