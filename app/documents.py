"""Documents as programs see them, whichever door they ask at."""

from __future__ import annotations

from typing import Any

from ingest.stores.port import StoredDocument


def described(document: StoredDocument, chunks: int) -> dict[str, Any]:
    """A document as programs see it."""
    return {
        "id": document.id,
        "source": document.source,
        "sources": [source.name for source in document.sources],
        "title": document.title,
        "chunks": chunks,
        "labels": dict(document.labels),
    }
