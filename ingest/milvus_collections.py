"""The named sets of documents on a Milvus server, or in a file of Milvus Lite."""

from __future__ import annotations

import threading

from ingest.collections import CollectionFacts, CollectionSet, EmbeddingModel, check_name, number_or_none
from ingest.errors import UnknownCollection
from ingest.stores.milvus import MilvusStore
from ingest.stores.milvus_collections import collection_exists, collection_names, drop_collection
from ingest.stores.milvus_connection import MilvusConnection


class MilvusCollections(CollectionSet):
    """
    Every machine that connects to the same server has the same ones.

    Backups, copies and repairs are the server's own; they raise `NotSupported`.
    """

    def __init__(self, connection: MilvusConnection, embedding: EmbeddingModel) -> None:
        self._connection = connection
        self._embedding = embedding
        self._open: dict[str, MilvusStore] = {}
        self._opening = threading.Lock()

    def close(self) -> None:
        self._connection.close()

    def names(self) -> list[str]:
        return collection_names(self._connection)

    def exists(self, name: str) -> bool:
        check_name(name)
        return collection_exists(self._connection, name)

    def open(self, name: str) -> MilvusStore:
        if not self.exists(name):
            self._open.pop(name, None)
            raise UnknownCollection(name, self.names())
        return self.create(name)

    def create(self, name: str) -> MilvusStore:
        check_name(name)
        with self._opening:
            if name not in self._open:
                self._open[name] = MilvusStore(
                    self._connection,
                    name,
                    self._embedding.embeddings,
                    embedding_name=self._embedding.name,
                    embedding_hash=self._embedding.hash,
                )
            return self._open[name]

    def describe(self, name: str) -> CollectionFacts:
        store = self.open(name)
        facts = store.facts()
        return CollectionFacts(
            name=name,
            documents=len(store.documents()),
            chunks=store.count(),
            embedding=facts.get("embedding", ""),
            embedding_hash=facts.get("embedding_hash", ""),
            dimension=int(facts.get("dimension", 0)),
            generation=int(facts.get("generation", 0)),
            chunk_size=number_or_none(facts.get("chunk_size")),
            chunk_overlap=number_or_none(facts.get("chunk_overlap")),
            index="ivf_flat",
            bytes=None,
        )

    def delete(self, name: str) -> None:
        if not self.exists(name):
            raise UnknownCollection(name, self.names())
        self._open.pop(name, None)
        drop_collection(self._connection, name)
