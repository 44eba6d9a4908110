"""The named sets of documents below one folder."""

from __future__ import annotations

import re
import shutil
import sqlite3
import threading
from abc import ABC, abstractmethod
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout
from langchain_core.embeddings import Embeddings

from ingest.documents import Progress
from ingest.embedding import Embedder
from ingest.errors import (
    CollectionBusy,
    CollectionExists,
    InvalidCollectionName,
    NotSupported,
    UnknownCollection,
    UnknownDocument,
)
from ingest.stores import backup as backups
from ingest.stores import upkeep
from ingest.stores.catalogue import DATABASE, Catalogue, facts_of
from ingest.stores.coarse import Kind
from ingest.stores.disk import storage_explained
from ingest.stores.faiss import LOCK, FaissStore
from ingest.stores.port import KnowledgeStore, StoredDocument
from ingest.stores.upkeep import Repaired

_NAME = re.compile(r"[\w-]{1,64}")


@dataclass(frozen=True, slots=True)
class EmbeddingModel:
    """What makes vectors: `name` and `hash` (of its files; "" where that is not known) stand in every manifest."""

    embeddings: Embeddings
    name: str
    hash: str = ""


@dataclass(frozen=True, slots=True)
class CollectionFacts:
    """
    What a collection is.

    `bytes` are on this disk, where it is there; `index` is how large segments are searched, "exact" where none is.
    """

    name: str
    documents: int
    chunks: int
    embedding: str
    embedding_hash: str
    dimension: int
    generation: int
    chunk_size: int | None
    chunk_overlap: int | None
    index: str
    bytes: int | None


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


class CollectionSet(ABC):
    """The collections of one place, whichever engine holds them; safe under concurrent calls."""

    @abstractmethod
    def names(self) -> list[str]:
        """In alphabetical order."""

    @abstractmethod
    def exists(self, name: str) -> bool:
        """
        Raises:
            InvalidCollectionName: no collection can have this name.
        """

    @abstractmethod
    def create(self, name: str) -> KnowledgeStore:
        """The collection, which is made where it is not there yet."""

    @abstractmethod
    def describe(self, name: str) -> CollectionFacts:
        """
        Raises:
            UnknownCollection: there is none of this name.
        """

    @abstractmethod
    def delete(self, name: str) -> None:
        """
        Also of a collection that is corrupt or was made with another embedding model.

        Raises:
            UnknownCollection: there is none of this name.
            CollectionBusy: another process is writing to it.
        """

    def open(self, name: str) -> KnowledgeStore:
        """
        Raises:
            UnknownCollection: there is none of this name.
            CollectionError: it cannot be used.
        """
        if not self.exists(name):
            raise UnknownCollection(name, self.names())
        return self.create(name)

    @abstractmethod
    def close(self) -> None:
        """Let go of what holds the collections; searches and changes come to nothing afterwards."""

    def copy(self, name: str, new: str) -> None:
        """
        Raises:
            UnknownCollection, CollectionExists: there is none of this name, or already one of the new.
            CollectionError: it cannot be read, or the copy not be written.
            NotSupported: the engine has no copies; as with each of the following.
        """
        raise NotSupported(_OF_ANOTHER_ENGINE.format("copy"))

    def backup(self, name: str, file: Path) -> int:
        """One file with the whole collection; its size in bytes. Raises as `ingest.stores.backup.backup`."""
        raise NotSupported(_OF_ANOTHER_ENGINE.format("backup"))

    def restore(self, file: Path, name: str) -> None:
        """
        Raises:
            CollectionExists: there is one of this name: nothing is replaced.
            InvalidBackup: the file is none, or damaged.
        """
        raise NotSupported(_OF_ANOTHER_ENGINE.format("restore"))

    def verify(self, name: str) -> list[str]:
        """Every fault of a collection, in words; none where it is whole."""
        raise NotSupported(_OF_ANOTHER_ENGINE.format("verify"))

    def repair(self, name: str, *, progress: Progress) -> Repaired:
        """Make again what can be made from its texts; raises as `ingest.stores.upkeep.repair`."""
        raise NotSupported(_OF_ANOTHER_ENGINE.format("repair"))

    def reembed(self, name: str, *, embedder: Embedder, progress: Progress) -> None:
        """
        All vectors anew with the model of these collections, whichever made those that are there.

        `embedder` uses the same model. The old ones are searched until the last is made.

        Raises:
            CollectionError: nothing has changed.
        """
        raise NotSupported(_OF_ANOTHER_ENGINE.format("reembed"))


_OF_ANOTHER_ENGINE = "`{}` is for collections on FAISS: use the tools of the server that holds these"


class Collections(CollectionSet):
    """
    On FAISS, below one folder; opens each once.

    Verifying, repairing, copies and backups raise as `ingest.stores.upkeep` and `ingest.stores.backup` say.
    """

    def __init__(self, root: Path, embedding: EmbeddingModel, *, index: Kind = "rabitq") -> None:
        self._root = root
        self._embedding = embedding
        self._index = index
        self._open: dict[str, FaissStore] = {}
        self._opening = threading.Lock()

    def close(self) -> None:
        self._open.clear()

    def names(self) -> list[str]:
        return sorted(folder.parent.name for folder in self._root.glob(f"*/{DATABASE}"))

    def exists(self, name: str) -> bool:
        return (self._folder(name) / DATABASE).exists()

    def open(self, name: str) -> FaissStore:
        if not self.exists(name):
            self._open.pop(name, None)
            raise UnknownCollection(name, self.names())
        return self.create(name)

    def create(self, name: str) -> FaissStore:
        folder = self._folder(name)
        with self._opening:
            if name not in self._open or not (folder / DATABASE).exists():  # another process may have deleted it
                self._open[name] = FaissStore(
                    folder,
                    self._embedding.embeddings,
                    embedding_name=self._embedding.name,
                    embedding_hash=self._embedding.hash,
                    index=self._index,
                )
            return self._open[name]

    def describe(self, name: str) -> CollectionFacts:
        store = self.open(name)
        facts = store.facts()
        kinds = sorted({one.coarse_kind for one in store.segments() if one.coarse_kind})
        return CollectionFacts(
            name=name,
            documents=len(store.documents()),
            chunks=store.count(),
            embedding=facts["embedding"],
            embedding_hash=facts.get("embedding_hash", ""),
            dimension=int(facts["dimension"]),
            generation=int(facts["generation"]),
            chunk_size=number_or_none(facts.get("chunk_size")),
            chunk_overlap=number_or_none(facts.get("chunk_overlap")),
            index=", ".join(kinds) or "exact",
            bytes=sum(path.stat().st_size for path in store.folder.iterdir() if path.is_file()),
        )

    def delete(self, name: str) -> None:
        if not self.exists(name):
            raise UnknownCollection(name, self.names())
        folder = self._folder(name)
        try:
            with storage_explained(folder), FileLock(folder / LOCK, timeout=5):
                self._open.pop(name, None)
                (folder / DATABASE).unlink()  # from here on it is not there
                shutil.rmtree(folder, ignore_errors=True)
        except Timeout as error:
            raise CollectionBusy(f"another process is writing to the collection {name!r}: try again") from error

    def copy(self, name: str, new: str) -> None:
        store = self.open(name)
        backups.copy(store, self._new_folder(new))

    def backup(self, name: str, file: Path) -> int:
        return backups.backup(self.open(name), file)

    def restore(self, file: Path, name: str) -> None:
        backups.restore(file, self._new_folder(name))

    def verify(self, name: str) -> list[str]:
        return upkeep.verify(self.open(name))

    def repair(self, name: str, *, progress: Progress) -> Repaired:
        return upkeep.repair(self.open(name), progress=progress)

    def reembed(self, name: str, *, embedder: Embedder, progress: Progress) -> None:
        if not self.exists(name):
            raise UnknownCollection(name, self.names())
        folder, model = self._folder(name), self._embedding
        with Catalogue(folder).reading() as db:
            made_with = facts_of(db)
        store = FaissStore(
            folder,
            model.embeddings,
            embedding_name=made_with.get("embedding", ""),
            embedding_hash=made_with.get("embedding_hash", ""),
            index=self._index,
        )
        fresh = upkeep.reembed(
            store,
            embedder,
            embedding=model.embeddings,
            embedding_name=model.name,
            embedding_hash=model.hash,
            progress=progress,
        )
        with self._opening:
            self._open[name] = fresh

    def _folder(self, name: str) -> Path:
        check_name(name)
        return self._root / name

    def _new_folder(self, name: str) -> Path:
        if self.exists(name) or self._folder(name).exists():
            raise CollectionExists(name)
        return self._folder(name)


def chosen(store: KnowledgeStore, named: str) -> StoredDocument:
    """
    The document that a person names by its id or by what it is called.

    Raises:
        UnknownDocument: there is none, or several are called so.
    """
    if found := store.document(named):
        return found
    called = [document for document in store.documents() if any(one.name == named for one in document.sources)]
    if len(called) != 1:
        raise UnknownDocument(store.name, named, [document.id for document in called])
    return called[0]


def check_name(name: str) -> None:
    """
    Raises:
        InvalidCollectionName: no collection can have this name.
    """
    if not _NAME.fullmatch(name):
        raise InvalidCollectionName(name)


def number_or_none(text: str | None) -> int | None:
    """Of a manifest's value."""
    return int(text) if text else None
