"""Milvus' exceptions as ours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ingest.errors import CollectionBusy, CollectionCorrupt, CollectionError, StorageFull, StoreUnavailable

_RATE_LIMIT, _DENIED, _NOT_FOUND = 8, 9, 100
_UNAVAILABLE_CODES = {2, 101, 106, 1401}
"""Service unavailable; collection not loaded, not fully loaded; credentials refused."""
_UNAVAILABLE_WORDS = ("Fail connecting", "not ready", "Abnormal", "Retry timeout", "auth check failure", "not loaded")
_NO_ROOM_WORDS = ("No space left", "disk quota", "quota exceeded", "quota exhausted", "Read-only file system")


@contextmanager
def explained(where: str) -> Iterator[None]:
    """
    `where` is what the settings call the server.

    Raises:
        StoreUnavailable, StorageFull, CollectionBusy, CollectionCorrupt: what Milvus says, in our words.
    """
    import grpc
    from pymilvus.exceptions import MilvusException

    try:
        yield
    except (MilvusException, grpc.RpcError) as error:
        raise _ours(error, where) from error


def _ours(error: Any, where: str) -> CollectionError:
    from pymilvus.exceptions import ConnectError, ConnectionConfigException, MilvusUnavailableException

    code = error.code() if callable(error.code) else error.code
    words = error.details() if callable(getattr(error, "details", None)) else getattr(error, "message", "")
    said = str(words or error).strip().split("\n", 1)[0][:300]
    if any(words in said for words in _NO_ROOM_WORDS) or code == _DENIED:
        return StorageFull(f"Milvus at {where} takes nothing in ({said}): make room or raise its quota")
    if (
        isinstance(error, ConnectError | ConnectionConfigException | MilvusUnavailableException)
        or not isinstance(code, int)  # gRPC's own: no answer, or not in time
        or code in _UNAVAILABLE_CODES
        or any(words in said for words in _UNAVAILABLE_WORDS)
    ):
        return StoreUnavailable(f"Milvus at {where} does not answer ({said}): check LARKWISE_MILVUS_URI and the server")
    if code == _RATE_LIMIT:
        return CollectionBusy(f"Milvus at {where} limits how fast it is asked ({said}): try again")
    if code == _NOT_FOUND:
        return CollectionCorrupt(
            f"a part of the collection is gone from Milvus at {where} ({said}): delete the collection with `larkwise "
            "collections delete` and ingest the documents again"
        )
    return CollectionError(f"Milvus at {where} could not do it ({said})")
