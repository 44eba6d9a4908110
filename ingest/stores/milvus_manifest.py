"""A collection's manifest: one row among its records."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass

from ingest.errors import CollectionCorrupt, EmbeddingMismatch
from ingest.stores.milvus_connection import MilvusConnection
from ingest.stores.milvus_filters import among
from ingest.stores.milvus_rows import MANIFEST, record_row

FORMAT = "milvus-1"


@dataclass(frozen=True, slots=True)
class Manifest:
    """Of the collection `name`, whose records are called `records`, for who embeds with this model."""

    connection: MilvusConnection
    records: str
    name: str
    embedding: str
    embedding_hash: str

    def create(self) -> dict[str, str]:
        facts = {
            "format": FORMAT,
            "made": uuid.uuid4().hex,
            "embedding": self.embedding,
            "embedding_hash": self.embedding_hash,
            "dimension": "0",
            "generation": "0",
        }
        self.write(facts)
        return facts

    def find(self) -> dict[str, str] | None:
        """None where there is no manifest yet."""
        for row in self.connection.rows(self.records, among("id", [MANIFEST]), ["facts"]):
            return dict(row["facts"])
        return None

    def read(self) -> dict[str, str]:
        """
        Raises:
            CollectionCorrupt: there is none.
        """
        facts = self.find()
        if facts is None:
            raise CollectionCorrupt(self.corrupt("it has no manifest"))
        return facts

    def write(self, facts: Mapping[str, str]) -> None:
        self.connection.upsert(self.records, [record_row(MANIFEST, MANIFEST, facts)])

    def check(self, facts: Mapping[str, str]) -> None:
        """
        Raises:
            EmbeddingMismatch: the collection was made with another embedding model.
            CollectionCorrupt: it was made by another version of larkwise.
        """
        if facts.get("format") != FORMAT:
            raise CollectionCorrupt(
                self.corrupt(f"it was made by another version of larkwise (format {facts.get('format')}, not {FORMAT})")
            )
        if facts.get("embedding") != self.embedding:
            raise EmbeddingMismatch(self.name, made_with=facts.get("embedding", ""), asked_with=self.embedding)
        made, mine = facts.get("embedding_hash", ""), self.embedding_hash
        if made and mine and made != mine:
            raise EmbeddingMismatch(
                self.name, made_with=f"{self.embedding} {made[:12]}", asked_with=f"{self.embedding} {mine[:12]}"
            )

    def other_dimension(self, there: int, asked: int) -> EmbeddingMismatch:
        asked_with = f"{self.embedding} of {asked} dimensions instead of {there}"
        return EmbeddingMismatch(self.name, made_with=self.embedding, asked_with=asked_with)

    def corrupt(self, what: str) -> str:
        """What to do about damage."""
        return (
            f"the collection {self.name!r} in Milvus at {self.connection.where} cannot be used: {what}. Run `larkwise "
            f"collections delete {self.name}` and ingest the documents again"
        )
