"""A collection as one file, and back; and a copy of one."""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from ingest.errors import CollectionCorrupt, InvalidBackup
from ingest.stores import catalogue
from ingest.stores.arrays import DamagedArrays, sha256_of
from ingest.stores.catalogue import DATABASE
from ingest.stores.disk import flush_file, flush_folder, storage_explained
from ingest.stores.faiss import FaissStore
from ingest.stores.segments import check_file

_SUMS = "SHA256SUMS"
"""Of the database; it holds the checksums of the other files itself."""
_MEMBER = re.compile(rf"{_SUMS}|{re.escape(DATABASE)}|segment-\d+\.(safetensors|faiss)")
_MOST_MEMBERS = 10_000


def backup(store: FaissStore, file: Path) -> int:
    """
    The whole collection in one tar file, which appears when it is complete; its size in bytes.

    Searches go on meanwhile, changes wait.

    Raises:
        CollectionBusy: another process is writing.
        CollectionCorrupt: it cannot be read: a damaged collection makes no backup.
        StorageFull: there is no room.
    """
    fresh = file.with_name(f".{file.name}.new")
    with storage_explained(file.parent), store.locked(), _snapshot(store) as (database, names):
        try:
            with tarfile.open(fresh, "w") as archive:
                archive.add(_sums(database), _SUMS)
                archive.add(database, DATABASE)
                for name in names:
                    archive.add(store.folder / name, name)
            flush_file(fresh)
            fresh.replace(file)
        finally:
            fresh.unlink(missing_ok=True)
        flush_folder(file.parent)
        return file.stat().st_size


def restore(file: Path, folder: Path) -> None:
    """
    The collection of a backup, in a folder that is not there yet; it appears when it is whole.

    Raises:
        InvalidBackup: the file is no backup, or is damaged.
        StorageFull: there is no room.
    """
    with storage_explained(folder.parent), _aside(folder) as fresh:
        try:
            with tarfile.open(file, "r:") as archive:
                members = archive.getmembers()
                if len(members) > _MOST_MEMBERS or not all(
                    member.isfile() and _MEMBER.fullmatch(member.name) for member in members
                ):
                    raise InvalidBackup(f"{file} is no backup of a collection")
                archive.extractall(fresh, members, filter="data")
        except (tarfile.TarError, EOFError) as error:
            raise InvalidBackup(f"{file} is no backup of a collection, or is damaged ({error})") from error
        if not ((fresh / DATABASE).exists() and (fresh / _SUMS).exists()):
            raise InvalidBackup(f"{file} is no backup of a collection: it has no database")
        _check(file, fresh)
        (fresh / _SUMS).unlink()
        _publish(fresh, folder)


def copy(store: FaissStore, folder: Path) -> None:
    """
    The same collection in a folder that is not there yet; files that never change are shared where that is possible.

    Raises:
        CollectionBusy, CollectionCorrupt, StorageFull: as `backup`.
    """
    with (
        storage_explained(folder.parent),
        store.locked(),
        _snapshot(store) as (database, names),
        _aside(folder) as fresh,
    ):
        shutil.copyfile(database, fresh / DATABASE)
        for name in names:
            _link_or_copy(store.folder / name, fresh / name)
        _publish(fresh, folder)


@contextmanager
def _snapshot(store: FaissStore) -> Iterator[tuple[Path, Sequence[str]]]:
    """The database as one file, and the names of the files that belong to it."""
    with tempfile.TemporaryDirectory(dir=store.folder, prefix=".snapshot-") as scratch:
        database = Path(scratch) / DATABASE
        with store.catalogue.reading() as db, closing(sqlite3.connect(database)) as target:
            db.backup(target)
            names = [name for facts in catalogue.segments_of(db) for name in facts.files]
            target.execute("PRAGMA journal_mode = DELETE")  # so that it is one file
        missing = [name for name in names if not (store.folder / name).exists()]
        if missing:
            raise CollectionCorrupt(store.catalogue.corrupt(f"{missing[0]} is gone"))
        yield database, names


@contextmanager
def _aside(folder: Path) -> Iterator[Path]:
    """A folder beside, which is gone afterwards unless it was published."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".new-", ignore_cleanup_errors=True) as scratch:
        fresh = Path(scratch) / "collection"
        fresh.mkdir()
        yield fresh


def _publish(fresh: Path, folder: Path) -> None:
    for path in fresh.iterdir():
        flush_file(path)
    flush_folder(fresh)
    fresh.rename(folder)
    flush_folder(folder.parent)


def _check(file: Path, fresh: Path) -> None:
    try:
        check_file(fresh / DATABASE, (fresh / _SUMS).read_text(encoding="ascii", errors="replace")[:64], whole=True)
        with closing(sqlite3.connect(fresh / DATABASE)) as db:
            db.row_factory = sqlite3.Row
            if [row[0] for row in db.execute("PRAGMA integrity_check")] != ["ok"]:
                raise InvalidBackup(f"{file} is damaged: its database is not whole")
            for facts in catalogue.segments_of(db):
                for name, sha256 in zip(facts.files, (facts.sha256, facts.coarse_sha256), strict=False):
                    check_file(fresh / name, sha256, whole=True)
            db.execute("PRAGMA journal_mode = WAL")
    except (DamagedArrays, FileNotFoundError) as error:
        raise InvalidBackup(f"{file} is damaged: {error}") from error
    except sqlite3.DatabaseError as error:
        raise InvalidBackup(f"{file} is damaged: its database cannot be read ({error})") from error


def _sums(database: Path) -> Path:
    """As `sha256sum` writes and reads it."""
    path = database.with_name(_SUMS)
    path.write_text(f"{sha256_of(database)}  {DATABASE}\n", encoding="ascii")
    return path


def _link_or_copy(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without links
        shutil.copyfile(source, target)
