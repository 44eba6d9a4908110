"""Which collections a Milvus server holds, by our names."""

from __future__ import annotations

from contextlib import suppress

from ingest.errors import CollectionCorrupt, StoreUnavailable
from ingest.stores.milvus_connection import MilvusConnection
from ingest.stores.milvus_lease import Lease
from ingest.stores.milvus_names import chunks_name, name_of, records_name


def collection_names(connection: MilvusConnection) -> list[str]:
    """Of ours, in alphabetical order."""
    return sorted(filter(None, map(name_of, connection.names())))


def collection_exists(connection: MilvusConnection, name: str) -> bool:
    """
    Raises:
        InvalidCollectionName: Milvus cannot hold one of this name.
    """
    return connection.has(records_name(name))


def drop_collection(connection: MilvusConnection, name: str, *, wait_s: float = 5) -> None:
    """
    Also one that is damaged or was made with another embedding model; one that is not there is no error.

    Raises:
        CollectionBusy: another process is writing to it.
    """
    records = records_name(name)
    if connection.has(records):
        lease = Lease(connection, records, name=name, wait_s=wait_s)
        with suppress(CollectionCorrupt, StoreUnavailable):  # where it cannot be read, nobody writes to it either
            lease.acquire()
        connection.drop(records)  # from here on it is not there
        lease.is_gone()
    connection.drop(chunks_name(name))
