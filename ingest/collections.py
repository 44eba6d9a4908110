"""The named sets of documents below one folder."""

from __future__ import annotations

import re
import shutil
import sqlite3
import threading
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout
from langchain_core.embeddings import Embeddings

from ingest.errors import CollectionBusy, InvalidCollectionName, UnknownCollection
from ingest.stores.disk import storage_explained
from ingest.stores.faiss import DATABASE, FaissStore

_NAME = re.compile(r"[\w-]{1,64}")


@dataclass(frozen=True, slots=True)
class CollectionFacts:
    """A row of `larkwise collections`."""

    name: str
    documents: int
    chunks: int
    embedding: str


def any_documents(root: Path) -> bool:
    """Whether a collection below `root` holds something, or something that cannot be read."""
    for file in root.glob(f"*/{DATABASE}"):
        try:
            with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as db:
                if db.execute("SELECT 1 FROM documents LIMIT 1").fetchone():
                    return True
        except sqlite3.DatabaseError:
            return True
    return False


class Collections:
    """Opens each collection once; safe under concurrent calls."""

    def __init__(self, root: Path, embedding: Embeddings, *, embedding_name: str) -> None:
        self._root = root
        self._embedding = embedding
        self._embedding_name = embedding_name
        self._open: dict[str, FaissStore] = {}
        self._opening = threading.Lock()

    def names(self) -> list[str]:
        """In alphabetical order."""
        return sorted(folder.parent.name for folder in self._root.glob(f"*/{DATABASE}"))

    def exists(self, name: str) -> bool:
        """
        Raises:
            InvalidCollectionName: no collection can have this name.
        """
        return (self._folder(name) / DATABASE).exists()

    def open(self, name: str) -> FaissStore:
        """
        Raises:
            UnknownCollection: there is none of this name.
            CollectionError: it cannot be used; see `FaissStore`.
        """
        if not self.exists(name):
            self._open.pop(name, None)
            raise UnknownCollection(name, self.names())
        return self.create(name)

    def create(self, name: str) -> FaissStore:
        """The collection, which is made where it is not there yet."""
        folder = self._folder(name)
        with self._opening:
            if name not in self._open:
                self._open[name] = FaissStore(folder, self._embedding, embedding_name=self._embedding_name)
            return self._open[name]

    def describe(self, name: str) -> CollectionFacts:
        """
        Raises:
            UnknownCollection: there is none of this name.
        """
        store = self.open(name)
        return CollectionFacts(name, len(store.documents()), store.count(), store.facts()["embedding"])

    def delete(self, name: str) -> None:
        """
        Also of a collection that is corrupt or was made with another embedding model.

        Raises:
            UnknownCollection: there is none of this name.
            CollectionBusy: another process is writing to it.
        """
        if not self.exists(name):
            raise UnknownCollection(name, self.names())
        folder = self._folder(name)
        try:
            with storage_explained(folder), FileLock(folder / "write.lock", timeout=5):
                self._open.pop(name, None)
                (folder / DATABASE).unlink()  # from here on it is not there
                shutil.rmtree(folder, ignore_errors=True)
        except Timeout as error:
            raise CollectionBusy(f"another process is writing to the collection {name!r}: try again") from error

    def _folder(self, name: str) -> Path:
        if not _NAME.fullmatch(name):
            raise InvalidCollectionName(name)
        return self._root / name
