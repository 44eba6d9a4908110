"""What a collection holds already, and so what an origin is to it: new, changed, renamed, a twin, or unchanged."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import Any, Literal, TypeAlias

from ingest.stores.catalogue import in_order
from ingest.stores.port import Source, StoredDocument

Kind: TypeAlias = Literal["added", "changed", "unchanged", "renamed", "duplicates"]


@dataclass(frozen=True, slots=True)
class Placement:
    """
    What is to be done about an origin.

    `document` is how the document will be; it is read and indexed anew where `is_to_index`. `left` are other documents
    without the origin, which is no longer theirs: those without any source are forgotten.
    """

    kind: Kind
    document: StoredDocument
    is_to_index: bool
    left: tuple[StoredDocument, ...] = ()
    is_noted: bool = True
    """Something about the document must be written."""


class Known:
    """
    The documents of a collection while a run goes on.

    A document keeps its id when it is renamed or changed, and the same content is one document wherever it is found.
    """

    def __init__(self, documents: Iterable[StoredDocument], *, exists: Callable[[str], bool]) -> None:
        self._exists = exists
        self.documents: dict[str, StoredDocument] = {}
        self._by_key: dict[str, str] = {}
        self._by_digest: dict[str, str] = {}
        for document in documents:
            self.put(document)

    def put(self, document: StoredDocument) -> None:
        """The document is so from now on; without sources it is gone."""
        if before := self.documents.pop(document.id, None):
            for source in before.sources:
                self._by_key.pop(source.key, None)
            self._by_digest.pop(before.digest, None)
        if document.sources:
            self.documents[document.id] = document
            self._by_key |= {source.key: document.id for source in document.sources}
            self._by_digest[document.digest] = document.id

    def apply(self, placement: Placement) -> None:
        """As if it were done."""
        for left in placement.left:
            self.put(left)
        self.put(placement.document)

    def of_key(self, key: str) -> StoredDocument | None:
        """The document that an origin was when it was last seen."""
        return self.documents.get(self._by_key.get(key, ""))

    def place(self, source: Source, digest: str, labels: Mapping[str, Any]) -> Placement:
        """What an origin with these bytes is."""
        mine = self.of_key(source.key)
        source = _with_shelves_of(mine, source)
        twin = self.documents.get(self._by_digest.get(digest, ""))
        if mine and mine.digest == digest:
            return self._same(mine, source, labels)
        left = (without(mine, {source.key}),) if mine else ()
        if twin:
            return self._twin(twin, source, labels, left)
        if mine and len(mine.sources) == 1:
            changed = replace(mine, digest=digest, sources=(source,), labels=labels)
            return Placement("changed", changed, is_to_index=True)
        new = StoredDocument(self._new_id(source.key, digest), digest, "", (source,), labels=labels)
        return Placement("changed" if mine else "added", new, is_to_index=True, left=left)

    def _same(self, mine: StoredDocument, source: Source, labels: Mapping[str, Any]) -> Placement:
        others = [one for one in mine.sources if one.key != source.key]
        now = replace(mine, sources=in_order([*others, source]), labels=labels)
        return Placement("unchanged", now, is_to_index=is_badly_titled(now), is_noted=now != mine)

    def _twin(
        self, twin: StoredDocument, source: Source, labels: Mapping[str, Any], left: tuple[StoredDocument, ...]
    ) -> Placement:
        gone = [one for one in twin.sources if not self._exists(one.key)]
        same_name = [one for one in gone if PurePath(one.name).name == PurePath(source.name).name]
        moved = [*same_name, *gone][:1]
        sources = [one for one in twin.sources if one not in moved]
        now = replace(twin, sources=in_order([*sources, source]), labels=labels)
        kind: Kind = "changed" if left else "renamed" if moved else "duplicates"
        return Placement(kind, now, is_to_index=is_badly_titled(now), left=left)

    def _new_id(self, key: str, digest: str) -> str:
        """Its first key's, so that the same folder ingested into two collections gives the same ids."""
        document_id = _short_hash(key)
        return _short_hash(f"{key}\n{digest}") if document_id in self.documents else document_id


def without(document: StoredDocument, keys: Iterable[str]) -> StoredDocument:
    """The same document, no longer found there."""
    dropped = set(keys)
    return replace(document, sources=tuple(one for one in document.sources if one.key not in dropped))


def kept_elsewhere(source: Source, gone_from: AbstractSet[str]) -> Source:
    """The same source on its other shelves; as it was where it has none, for then it is gone."""
    others = tuple(shelf for shelf in source.shelves if shelf not in gone_from)
    return replace(source, shelves=others) if others else source


def _with_shelves_of(mine: StoredDocument | None, source: Source) -> Source:
    """It is found on one shelf, and stays on the others until they are looked at."""
    known = next((one.shelves for one in mine.sources if one.key == source.key), ()) if mine else ()
    return replace(source, shelves=tuple(sorted({*known, *source.shelves})))


def is_badly_titled(document: StoredDocument) -> bool:
    """Its title is a file's name, and the file is called otherwise by now."""
    path = PurePath(document.source)
    return document.is_titled_by_name and bool(document.sources) and document.title not in (path.stem, path.name)


def _short_hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
