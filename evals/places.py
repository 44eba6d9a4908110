"""Where questions are asked: in a collection that exists, or among the set's documents in a folder of their own."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.cli_terminal import err, progress_bar
from app.ingestion import ingest_paths
from app.services import open_collections, open_weights
from app.settings import Settings, load_settings
from evals.sets import QuestionSet
from ingest.stores.port import KnowledgeStore

_INGESTED = "eval"
_NO_SERVERS = {"milvus_uri": "", "database_url": ""}
"""What a run makes for itself is below `scratch`, and nowhere that others read: Milvus is Milvus Lite then."""


@dataclass(frozen=True, slots=True)
class Place:
    """`scratch` is gone afterwards."""

    settings: Settings
    collection: str
    scratch: Path
    is_own: bool
    """It is made for this run, and not one that exists."""

    def fill(self, asked_of: QuestionSet) -> None:
        """Ingest the set's documents, unless the collection is one that exists; it says which could not be read."""
        if not self.is_own:
            return
        documents = asked_of.documents(self.scratch)
        with progress_bar() as progress:
            report = ingest_paths(self.settings, [documents], self.collection, progress=progress)
        for refused in report.failed:
            err.print(f"{refused.path} was not ingested: {refused.reason}", markup=False)

    @contextmanager
    def store(self) -> Iterator[KnowledgeStore]:
        """The collection without a chat model."""
        with progress_bar() as progress:
            collections = open_collections(self.settings, open_weights(self.settings, progress=progress))
        try:
            yield collections.open(self.collection)
        finally:
            collections.close()


@contextmanager
def place(collection: str | None, **given: Any) -> Iterator[Place]:
    """The collection of this name, or an empty one of its own; `given` goes before the environment's settings."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:  # after an error a thread may still write
        scratch = Path(folder)
        own: dict[str, Any] = {} if collection else {"data_dir": scratch / "data", **_NO_SERVERS}
        yield Place(load_settings(**given, **own), collection or _INGESTED, scratch, is_own=not collection)
