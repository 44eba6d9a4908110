"""
The files that were uploaded, as they came, below DATA_DIR/originals.

`COLLECTION/HASH.SUFFIX` is the original of the document that was uploaded under a name: the hash is the name's, so that
the same name is the same place again, and no name leads anywhere else. `.incoming/JOB` holds what a job has not yet
brought into the index.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from ingest.files import SourceFile
from ingest.pipeline import digest_of
from ingest.splitter import SplitterSettings
from ingest.stores.disk import flush_folder, storage_explained
from ingest.stores.port import KnowledgeStore, Source, StoredDocument

FOLDER = "originals"
_INCOMING = ".incoming"
_FILE = re.compile(r"[0-9a-f]{32}(\.\w{1,16})?")
_ABANDONED_S = 24 * 3600.0


class OriginalMissing(Exception):
    """The original of a document cannot be given; the message says why."""


@dataclass(frozen=True, slots=True)
class Original:
    """What was uploaded, and the name that it had."""

    path: Path
    name: str


class Originals:
    """The files of all collections below one folder."""

    def __init__(self, data_dir: Path) -> None:
        self._root = (data_dir / FOLDER).absolute()

    def incoming(self, job_id: str) -> Path:
        """Where a job's files are until they are indexed."""
        return self._root / _INCOMING / job_id

    def job_ids(self) -> set[str]:
        """The jobs whose files are on this machine."""
        return {folder.name for folder in (self._root / _INCOMING).glob("*")}

    def place(self, collection: str, name: str) -> Path:
        """Where the original of this name is kept; it is the key of the document's source."""
        return self._root / collection / file_name(name)

    def find(self, document: StoredDocument) -> Original:
        """
        Raises:
            OriginalMissing: it was not uploaded, or is no longer there.
        """
        uploaded = [(path, source) for source in document.sources if (path := self._path_of(source))]
        for path, source in uploaded:
            if path.is_file():
                return Original(path, source.name)
        if uploaded:
            raise OriginalMissing(f"the original of {document.source!r} is no longer kept: upload it again")
        raise OriginalMissing(
            f"{document.source!r} was not uploaded: it was read from where it is, and larkwise keeps no copy of it"
        )

    def remove(self, collection: str, document: StoredDocument) -> None:
        """The originals of a document that has left the collection; those that another collection brought stay."""
        for source in document.sources:
            path = self._path_of(source)
            if path is not None and path.parent.name == collection:
                path.unlink(missing_ok=True)

    def remove_collection(self, collection: str) -> None:
        """Of a collection that is gone."""
        shutil.rmtree(self._root / collection, ignore_errors=True)

    def drop_incoming(self, job_id: str) -> None:
        """What a job has not brought into the index, and never will."""
        shutil.rmtree(self.incoming(job_id), ignore_errors=True)

    def drop_abandoned(self, waiting: Collection[str]) -> None:
        """What uploads have left that a crash cut off; the files of the jobs in `waiting` stay."""
        for folder in (self._root / _INCOMING).glob("*"):
            if folder.name not in waiting and folder.stat().st_mtime < time.time() - _ABANDONED_S:
                shutil.rmtree(folder, ignore_errors=True)

    def _path_of(self, source: Source) -> Path | None:
        """Of an upload; also where DATA_DIR has moved since."""
        *_, folder, collection, name = ("", "", *PurePosixPath(source.key).parts)
        is_upload = folder == FOLDER and _FILE.fullmatch(name) and name == file_name(source.name)
        return self._root / collection / name if is_upload else None


def file_name(name: str) -> str:
    """On the disk: fits everywhere, whatever the name is."""
    return hashlib.sha256(name.encode()).hexdigest()[:32] + PurePosixPath(name).suffix.lower()


@dataclass(frozen=True, slots=True)
class UploadedFile:
    """An origin (see `ingest.origins`): read where it is now."""

    source: str
    place: Path
    incoming: Path

    @property
    def key(self) -> str:
        return str(self.place)

    @property
    def name(self) -> str:
        return self.source

    def read(self) -> bytes:
        path = self.incoming if self.incoming.exists() else self.place
        return SourceFile(path, self.source).read()


class Batch:
    """
    The files of one job, on their way to their places; every step may be repeated after a crash.

    The original of a document is replaced only when the index holds the new content: what cannot be read replaces
    nothing. A file whose place is free goes there at once, because a document whose file does not exist counts as gone.
    """

    def __init__(self, originals: Originals, job_id: str, collection: str, names: Iterable[str]) -> None:
        folder = originals.incoming(job_id)
        self.files = [UploadedFile(name, originals.place(collection, name), folder / file_name(name)) for name in names]

    def begin(self) -> None:
        """
        Raises:
            StorageFull: the disk is in the way.
        """
        for file in self.files:
            if not file.place.exists() and file.incoming.exists():
                _move(file.incoming, file.place)

    def settle(self, store: KnowledgeStore, splitter: SplitterSettings) -> None:
        """
        Each file goes to its place if the collection holds its content, and back if not.

        Raises:
            StorageFull: the disk is in the way.
        """
        documents = {source.key: document for document in store.documents() for source in document.sources}
        for file in self.files:
            document = documents.get(file.key)
            if file.incoming.exists():
                if document and document.digest == digest_of(file.read(), file.name, splitter):
                    _move(file.incoming, file.place)
            elif document is None and file.place.exists():
                _move(file.place, file.incoming)


def _move(here: Path, there: Path) -> None:
    with storage_explained(there.parent):
        there.parent.mkdir(parents=True, exist_ok=True)
        here.replace(there)
        flush_folder(there.parent)


def names_of(files: Sequence[dict[str, object]]) -> Iterator[str]:
    """Of a job's files those that were taken."""
    return (str(file["name"]) for file in files if "error" not in file)
