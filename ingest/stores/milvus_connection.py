"""One server of Milvus, or one file of Milvus Lite: what the store asks of it, with errors in our words."""

from __future__ import annotations

import importlib
import importlib.util
import logging
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, TypeAlias

from ingest.errors import CollectionBusy, CollectionError, MilvusNotInstalled, StoreUnavailable
from ingest.stores.disk import storage_explained
from ingest.stores.milvus_errors import explained

Row: TypeAlias = dict[str, Any]
Consistency: TypeAlias = Literal["Strong", "Session", "Bounded", "Eventually"]

LITE_SUFFIX = ".db"
_SCHEMES = ("http://", "https://", "tcp://", "unix:")
_ROWS_A_PAGE = 1_000
_lite_writes = threading.Lock()
"""Milvus Lite does not stand two writers at once; nor does it say so."""


def is_installed() -> bool:
    return all(map(importlib.util.find_spec, ("pymilvus", "grpc")))


class MilvusConnection:
    """
    `uri` is a server's address, or the path of a file that ends with ".db" and belongs to this process alone.

    Safe to use from several threads. No call of it takes longer than `timeout_s`.

    Raises:
        MilvusNotInstalled: the extra "milvus" is missing.
        StoreUnavailable: nothing answers there.
        CollectionBusy: another process has the file open.
    """

    def __init__(self, uri: str, *, token: str = "", database: str = "", timeout_s: float = 30) -> None:
        if not is_installed():
            raise MilvusNotInstalled
        _import_client()
        self.is_lite = uri.endswith(LITE_SUFFIX) and not uri.startswith(_SCHEMES)
        if not self.is_lite and not uri.startswith(_SCHEMES):
            raise StoreUnavailable(
                f"LARKWISE_MILVUS_URI={uri} is neither an address such as http://127.0.0.1:19530 nor the path of a "
                f"file that ends with {LITE_SUFFIX}"
            )
        self.where = uri.rsplit("@", 1)[-1]  # never the password
        self._timeout_s = timeout_s
        self._client = self._opened_file(uri) if self.is_lite else self._connected(uri, token, database)
        self._uri = uri

    def close(self) -> None:
        """Let go of the server; a file can then be opened by another process."""
        self._client.close()
        if self.is_lite:
            from milvus_lite.server_manager import server_manager_instance

            server_manager_instance.release_server(self._uri)

    # collections

    def names(self) -> list[str]:
        with explained(self.where):
            return list(self._client.list_collections(timeout=self._timeout_s))

    def has(self, name: str) -> bool:
        with explained(self.where):
            return bool(self._client.has_collection(name, timeout=self._timeout_s))

    def make(self, name: str, fields: Sequence[tuple[str, str, dict[str, Any]]], index: Mapping[str, Any]) -> None:
        """A collection that is there, indexed and loaded, whatever of that was so before."""
        from pymilvus import DataType

        with self._writing():
            if not self._client.has_collection(name, timeout=self._timeout_s):
                schema = self._client.create_schema(auto_id=False, enable_dynamic_field=False)
                for field, kind, options in fields:
                    named = {key: DataType[value] if key == "element_type" else value for key, value in options.items()}
                    schema.add_field(field, DataType[kind], **named)
                self._client.create_collection(name, schema=schema, consistency_level="Strong", timeout=self._timeout_s)
            if not self._client.list_indexes(name, timeout=self._timeout_s):
                indexes = self._client.prepare_index_params()
                indexes.add_index(**index)
                self._client.create_index(name, indexes, timeout=self._timeout_s, sync=False)  # it is empty
            self._client.load_collection(name, timeout=self._timeout_s)

    def drop(self, name: str) -> None:
        """One that is not there is no error."""
        with self._writing():
            if self._client.has_collection(name, timeout=self._timeout_s):
                self._client.drop_collection(name, timeout=self._timeout_s)

    def dimension(self, name: str, field: str) -> int:
        """Of the vectors in a field."""
        with explained(self.where):
            described = self._client.describe_collection(name, timeout=self._timeout_s)
        return next(int(one["params"]["dim"]) for one in described["fields"] if one["name"] == field)

    # rows

    def search(
        self,
        name: str,
        vector: Sequence[float],
        *,
        limit: int,
        parameters: Mapping[str, Any],
        where: str,
        fields: Sequence[str],
        consistency: Consistency,
    ) -> list[tuple[Row, float]]:
        """Rows and scores, best first."""
        with explained(self.where):
            found = self._client.search(
                name,
                data=[list(vector)],
                limit=limit,
                filter=where,
                search_params=parameters,
                output_fields=list(fields),
                consistency_level=consistency,
                timeout=self._timeout_s,
            )
        return [({"id": hit["id"], **hit["entity"]}, float(hit["distance"])) for hit in found[0]]

    def rows(
        self,
        name: str,
        where: str,
        fields: Sequence[str],
        *,
        page: int = _ROWS_A_PAGE,
        consistency: Consistency = "Strong",
    ) -> Iterator[Row]:
        """Every row that fits; few of them are one request, many are asked for a page at a time."""
        with explained(self.where):
            few = self._client.query(
                name,
                filter=where,
                output_fields=list(fields),
                limit=page,
                consistency_level=consistency,
                timeout=self._timeout_s,
            )
            if len(few) < page:
                yield from few
                return
            pages = self._client.query_iterator(
                name,
                filter=where,
                output_fields=list(fields),
                batch_size=page,
                consistency_level=consistency,
                timeout=self._timeout_s,
            )
            try:
                while some := pages.next():
                    yield from some
            finally:
                pages.close()

    def count(self, name: str, where: str = "", *, consistency: Consistency = "Strong") -> int:
        with explained(self.where):
            found = self._client.query(
                name,
                filter=where,
                output_fields=["count(*)"],
                consistency_level=consistency,
                timeout=self._timeout_s,
            )
        return int(found[0]["count(*)"])

    def upsert(self, name: str, rows: Sequence[Row]) -> None:
        with self._writing():
            self._client.upsert(name, list(rows), timeout=self._timeout_s)

    def delete(self, name: str, where: str) -> None:
        with self._writing():
            self._client.delete(name, filter=where, timeout=self._timeout_s)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        with explained(self.where):
            if not self.is_lite:
                yield
                return
            with _lite_writes:
                yield

    def _connected(self, uri: str, token: str, database: str) -> Any:
        from pymilvus import MilvusClient

        # it prints what it raises, with the traceback, and we raise that in our words
        for neighbour in ("pymilvus", *(("milvus_lite", "grpc._server") if self.is_lite else ())):
            logging.getLogger(neighbour).setLevel(logging.CRITICAL)
        with explained(self.where):
            return MilvusClient(uri, token=token, db_name=database, timeout=self._timeout_s)

    def _opened_file(self, path: str) -> Any:
        if importlib.util.find_spec("milvus_lite") is None:
            raise MilvusNotInstalled
        folder = Path(path).absolute().parent
        with storage_explained(folder):
            folder.mkdir(parents=True, exist_ok=True)
        try:
            return self._connected(path, "", "")
        except CollectionError as error:
            raise _why_not_opened(path, error) from error


def _import_client() -> None:
    """Pymilvus reads the variable MILVUS_URI when it is imported, and is gone where it does not like it."""
    try:
        importlib.import_module("pymilvus")
    except ImportError as error:
        raise MilvusNotInstalled from error
    except Exception as error:
        raise StoreUnavailable(
            f"pymilvus cannot be loaded ({error}): it reads the environment variable MILVUS_URI by itself. Unset that; "
            "larkwise has LARKWISE_MILVUS_URI"
        ) from error


def _why_not_opened(path: str, error: CollectionError) -> CollectionError:
    """Pymilvus keeps to itself why a file cannot be opened."""
    from milvus_lite.db import MilvusLite
    from milvus_lite.exceptions import DataDirLockedError, MilvusLiteError

    try:
        MilvusLite(path).close()
    except DataDirLockedError:
        return CollectionBusy(
            f"another process has {path} open, and Milvus Lite serves one process: close it, or run a Milvus server "
            "and set LARKWISE_MILVUS_URI to its address"
        )
    except (MilvusLiteError, OSError, ValueError) as reason:
        return StoreUnavailable(f"{path} cannot be opened with Milvus Lite ({reason})")
    return error
