"""
The encryption of Feishu's events.

AES-256 in CBC mode with PKCS#7 padding: the key is the SHA-256 of the app's Encrypt Key, the first 16 bytes are the
initialisation vector, and all of it is written in Base64.
"""

from __future__ import annotations

import base64
import hashlib

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES256
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.padding import PKCS7

from app.feishu.errors import NotAuthentic

BLOCK_BYTES = 16


def decrypt(encrypted: str, key: str) -> bytes:
    """
    What stands in the field `encrypt` of a delivery.

    CBC does not prove who has written it: whoever calls this checks a signature first, or lets nobody see why the
    result is no good.

    Raises:
        NotAuthentic: it is not Base64, has not the length of whole blocks, or was not encrypted with this key.
    """
    try:
        data = base64.b64decode(encrypted, validate=True)
    except ValueError as error:
        raise NotAuthentic("what is encrypted is not Base64") from error
    if len(data) < 2 * BLOCK_BYTES or len(data) % BLOCK_BYTES:
        raise NotAuthentic("what is encrypted has no length of whole blocks")
    decryptor = _cipher(key, data[:BLOCK_BYTES]).decryptor()
    padded = decryptor.update(data[BLOCK_BYTES:]) + decryptor.finalize()
    unpadder = PKCS7(8 * BLOCK_BYTES).unpadder()
    try:
        return unpadder.update(padded) + unpadder.finalize()
    except ValueError as error:
        raise NotAuthentic("it was encrypted with another key than LARKWISE_FEISHU_ENCRYPT_KEY") from error


def encrypt(plain: bytes, key: str, iv: bytes) -> str:
    """As Feishu does it; `iv` is 16 bytes that are new each time."""
    padder = PKCS7(8 * BLOCK_BYTES).padder()
    padded = padder.update(plain) + padder.finalize()
    encryptor = _cipher(key, iv).encryptor()
    return base64.b64encode(iv + encryptor.update(padded) + encryptor.finalize()).decode()


def _cipher(key: str, iv: bytes) -> Cipher[CBC]:
    return Cipher(AES256(hashlib.sha256(key.encode()).digest()), CBC(iv))
