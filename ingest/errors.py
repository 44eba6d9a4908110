"""
What can go wrong between a document and its index.

IngestError
├── DocumentError            one file; the others go on
│   ├── UnsupportedDocument  no loader for this kind of file
│   ├── UnreadableDocument   damaged, binary, or in an unknown encoding
│   ├── EncryptedDocument    needs a password
│   ├── DocumentTooLarge     would take more memory or time than one file may
│   └── EmptyDocument        holds no text
├── PathNotFound             what was asked for does not exist
├── NothingToIngest          it exists, and holds no document
└── CollectionError
    ├── UnknownCollection
    ├── UnknownDocument      there is none of this id or name in it
    ├── CollectionExists     there is one of this name already
    ├── InvalidCollectionName
    ├── CollectionBusy       another process is writing
    ├── CollectionCorrupt    a file of it is damaged or gone
    ├── EmbeddingMismatch    it was made with another embedding model
    ├── InvalidFilter        a search asks for what cannot be asked
    ├── NotSupported         the engine behind the collection cannot do it
    ├── InvalidBackup        a file is no backup of a collection, or is damaged
    ├── StoreUnavailable     the server that holds the collections does not answer
    │   └── MilvusNotInstalled
    ├── ChunkTooLarge        a chunk is larger than the server takes
    └── StorageFull          the disk is full, or not writable
"""


class IngestError(Exception):
    """The root of this room's errors."""


class DocumentError(IngestError):
    """One document cannot be read; the message names it and says what to do."""


class UnsupportedDocument(DocumentError):
    """There is no loader for this kind of file."""


class UnreadableDocument(DocumentError):
    """The file is damaged, binary, or in an unknown encoding."""


class EncryptedDocument(DocumentError):
    """The file needs a password."""


class DocumentTooLarge(DocumentError):
    """The file, or what it unpacks to, is larger than one document may be."""


class EmptyDocument(DocumentError):
    """The file holds no text."""


class PathNotFound(IngestError):
    """The path does not exist or may not be read."""


class NothingToIngest(IngestError):
    """The paths hold no document that can be read."""


class CollectionError(IngestError):
    """A whole collection cannot be used as asked."""


class UnknownCollection(CollectionError):
    """There is no collection of this name."""

    def __init__(self, name: str, known: list[str]) -> None:
        have = f"there are: {', '.join(known)}" if known else "there are none yet"
        super().__init__(f"there is no collection {name!r}; {have}. `larkwise ingest PATH --collection NAME` makes one")


class UnknownDocument(CollectionError):
    """A collection has no such document, or several."""

    def __init__(self, collection: str, named: str, several: list[str]) -> None:
        why = f"several are called so, with the ids {', '.join(several)}" if several else "there is none"
        super().__init__(
            f"{named!r} names no document of {collection!r}: {why}. `larkwise documents list -c {collection}` shows all"
        )


class CollectionExists(CollectionError):
    """There is a collection of this name, and nothing is replaced."""

    def __init__(self, name: str) -> None:
        super().__init__(f"there is a collection {name!r} already: choose another name, or delete it first")


class InvalidCollectionName(CollectionError):
    """The name could not be a folder's name on every machine."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name[:80]!r} cannot name a collection: use 1 to 64 letters, digits, '-' or '_'")


class CollectionBusy(CollectionError):
    """Another process is writing to the collection."""


class CollectionCorrupt(CollectionError):
    """A file of the collection is damaged or gone."""


class EmbeddingMismatch(CollectionError):
    """The collection was made with another embedding model."""

    def __init__(self, name: str, *, made_with: str, asked_with: str) -> None:
        super().__init__(
            f"collection {name!r} was made with the embedding model {made_with!r}, and the settings say "
            f"{asked_with!r}: set LARKWISE_EMBEDDING_MODEL={made_with}, or ingest into a new collection"
        )


class InvalidFilter(CollectionError):
    """What a search asks of metadata cannot be asked."""


class NotSupported(CollectionError):
    """The engine behind the collection cannot do what was asked."""


class InvalidBackup(CollectionError):
    """The file is no backup of a collection, or is damaged."""


class StoreUnavailable(CollectionError):
    """The server that holds the collections cannot be reached, is not ready, or does not let us in."""


class MilvusNotInstalled(StoreUnavailable):
    """The packages of the extra "milvus" are missing."""

    def __init__(self) -> None:
        super().__init__("the vector store Milvus is not installed; `pip install 'larkwise[milvus]'` adds it")


class ChunkTooLarge(CollectionError):
    """A chunk's text or metadata is larger than a field of Milvus may be."""


class StorageFull(CollectionError):
    """The disk is full or not writable; what was there before is unharmed."""
