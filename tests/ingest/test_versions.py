"""Origins that can say without being read whether they are as they were."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from ingest.collections import Collections, EmbeddingModel
from ingest.documents import IngestReport
from ingest.embedding import EmbedHere
from ingest.errors import UnreadableDocument
from ingest.origins import Listing
from ingest.pipeline import IngestOptions, ingest
from ingest.splitter import SplitterSettings
from ingest.stores.faiss import FaissStore
from tests.ingest.fakes import HashEmbeddings

KEY = "https://example.com/a"


@dataclass
class Remote:
    """A document that is elsewhere; `fetched` counts how often it was."""

    text: str = "# A\n\nFirst document."
    version: str = "1"
    key: str = KEY
    fails: bool = False
    fetched: int = field(default=0, init=False)

    @property
    def source(self) -> str:
        return self.key

    @property
    def name(self) -> str:
        return "a.md"

    def read(self) -> bytes:
        self.fetched += 1
        if self.fails:
            raise UnreadableDocument(f"{self.key} cannot be fetched")
        return self.text.encode()


@pytest.fixture
def store(tmp_path: Path) -> FaissStore:
    return Collections(tmp_path / "collections", EmbeddingModel(HashEmbeddings(), "hash")).create("default")


def run(store: FaissStore, *remotes: Remote, splitter: SplitterSettings | None = None, **labels: Any) -> IngestReport:
    listing = Listing(origins=remotes, total=len(remotes), covers=lambda *_: True)
    options = IngestOptions(splitter or SplitterSettings(), labels, prune=True)
    return ingest(store, listing, options, EmbedHere(store.embeddings), progress=lambda *_: None)


def texts(store: FaissStore) -> Sequence[str]:
    return [chunk.page_content for document in store.documents() for chunk in store.chunks_of(document.id)]


def test_what_has_the_version_that_was_read_is_not_fetched(store: FaissStore) -> None:
    remote = Remote()

    assert run(store, remote).added == (KEY,)
    assert run(store, remote).unchanged == (KEY,)

    assert remote.fetched == 1
    assert len(texts(store)) == 1


def test_another_version_is_fetched_and_replaces_the_text(store: FaissStore) -> None:
    run(store, Remote())
    later = Remote("# A\n\nAnother text.", version="2")

    assert run(store, later).changed == (KEY,)
    assert run(store, later).unchanged == (KEY,)

    assert later.fetched == 1
    assert ["Another" in text for text in texts(store)] == [True]


def test_another_version_of_the_same_text_is_fetched_once(store: FaissStore) -> None:
    run(store, Remote())
    later = Remote(version="2")

    assert [run(store, later).unchanged for _ in range(2)] == [(KEY,), (KEY,)]

    assert later.fetched == 1


def test_one_that_cannot_be_fetched_keeps_its_text_and_is_fetched_again(store: FaissStore) -> None:
    run(store, Remote())
    later = Remote("# A\n\nAnother text.", version="2", fails=True)

    assert [refused.path for refused in run(store, later).failed] == [KEY]
    assert ["First" in text for text in texts(store)] == [True]
    later.fails = False
    assert run(store, later).changed == (KEY,)

    assert later.fetched == 2


def test_one_without_a_version_is_always_fetched(store: FaissStore) -> None:
    remote = Remote(version="")

    run(store, remote)
    run(store, remote)

    assert remote.fetched == 2


def test_another_splitter_fetches_everything_again(store: FaissStore) -> None:
    remote = Remote()
    run(store, remote)

    assert run(store, remote, splitter=SplitterSettings(100, 10)).changed == (KEY,)

    assert remote.fetched == 2


def test_other_labels_need_no_fetching(store: FaissStore) -> None:
    remote = Remote()
    run(store, remote, team="a")

    assert run(store, remote, team="b").unchanged == (KEY,)

    assert remote.fetched == 1
    assert store.documents()[0].labels == {"team": "b"}


def test_twins_each_have_their_own_version(store: FaissStore) -> None:
    twins = [Remote(key=f"https://example.com/{name}", version=name) for name in "ab"]

    run(store, *twins)
    report = run(store, *twins)

    assert (len(report.unchanged), [twin.fetched for twin in twins]) == (2, [1, 1])
    assert [source.version != "" for source in store.documents()[0].sources] == [True, True]


def test_what_was_deleted_from_the_collection_is_fetched_again(store: FaissStore) -> None:
    remote = Remote()
    run(store, remote)
    with store.writing() as change:
        change.forget.append(store.documents()[0].id)

    assert run(store, remote).added == (KEY,)

    assert remote.fetched == 2


def test_a_collection_from_before_there_were_versions_takes_them(store: FaissStore) -> None:
    remote = Remote()
    run(store, remote)
    with store.catalogue.connection() as db:
        db.execute("ALTER TABLE sources DROP COLUMN version")
        db.commit()

    assert [source.version for source in store.documents()[0].sources] == [""]
    assert [run(store, remote).unchanged for _ in range(2)] == [(KEY,), (KEY,)]

    assert remote.fetched == 2
