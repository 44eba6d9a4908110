"""How Feishu signs and encrypts what it sends."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from collections.abc import Mapping
from typing import Any

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7


def signature(timestamp: str, nonce: str, encrypt_key: str, body: bytes) -> str:
    return hashlib.sha256(f"{timestamp}{nonce}{encrypt_key}".encode() + body).hexdigest()


def encrypt(plain: bytes, encrypt_key: str, iv: bytes | None = None) -> str:
    """AES-256-CBC under the key's SHA-256; the initialisation vector goes in front."""
    iv = iv or secrets.token_bytes(16)
    padder = PKCS7(128).padder()
    padded = padder.update(plain) + padder.finalize()
    encryptor = Cipher(algorithms.AES(hashlib.sha256(encrypt_key.encode()).digest()), modes.CBC(iv)).encryptor()
    return base64.b64encode(iv + encryptor.update(padded) + encryptor.finalize()).decode()


def decrypt(encrypted: str, encrypt_key: str) -> bytes:
    raw = base64.b64decode(encrypted)
    cipher = Cipher(algorithms.AES(hashlib.sha256(encrypt_key.encode()).digest()), modes.CBC(raw[:16]))
    decryptor = cipher.decryptor()
    padded = decryptor.update(raw[16:]) + decryptor.finalize()
    unpadder = PKCS7(128).unpadder()
    return unpadder.update(padded) + unpadder.finalize()


def sealed(payload: Mapping[str, Any], encrypt_key: str) -> bytes:
    """The body of an encrypted delivery; with an empty key it goes as it is."""
    plain = json.dumps(payload, ensure_ascii=False).encode()
    return json.dumps({"encrypt": encrypt(plain, encrypt_key)}).encode() if encrypt_key else plain


def signed_headers(body: bytes, encrypt_key: str, *, timestamp: str, nonce: str) -> dict[str, str]:
    return {
        "Content-Type": "application/json; charset=utf-8",
        "X-Lark-Request-Timestamp": timestamp,
        "X-Lark-Request-Nonce": nonce,
        "X-Lark-Signature": signature(timestamp, nonce, encrypt_key, body),
    }
