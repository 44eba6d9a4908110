"""Sources that several listings find, and documents that are also files: what leaves, and what stays."""

from __future__ import annotations

from pathlib import Path

import pytest

from ingest.collections import Collections, EmbeddingModel
from ingest.documents import IngestReport
from ingest.embedding import EmbedHere
from ingest.files import list_files
from ingest.origins import Listing, was_labelled
from ingest.pipeline import IngestOptions, ingest
from ingest.stores.faiss import FaissStore
from tests.ingest.fakes import HashEmbeddings
from tests.ingest.test_versions import Remote

WORDS = "Words about rabbits."


@pytest.fixture
def store(tmp_path: Path) -> FaissStore:
    return Collections(tmp_path / "collections", EmbeddingModel(HashEmbeddings(), "hash")).create("default")


def listed(
    store: FaissStore,
    shelf: str,
    *remotes: Remote,
    within: frozenset[str] = frozenset(),
    prune: bool = True,
    is_complete: bool = True,
) -> IngestReport:
    """A listing whose sources do not say by their keys that they are in it; `within` are shelves in it."""
    listing = Listing(
        origins=remotes,
        total=len(remotes),
        covers=lambda document, source: was_labelled(document, source, "place", shelf),
        is_complete=lambda: is_complete,
        labels={"place": shelf},
        shelf=shelf,
        shelves=lambda: {shelf, *within},
    )
    return ingest(store, listing, IngestOptions(prune=prune), EmbedHere(store.embeddings), progress=lambda *_: None)


def filed(store: FaissStore, folder: Path) -> IngestReport:
    listing = list_files([folder]).listing()
    return ingest(store, listing, IngestOptions(prune=True), EmbedHere(store.embeddings), progress=lambda *_: None)


def shelves(store: FaissStore) -> dict[str, tuple[str, ...]]:
    return {source.key: source.shelves for document in store.documents() for source in document.sources}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """With a file that has the words, and another: an empty folder would be refused."""
    documents = tmp_path / "documents"
    documents.mkdir()
    (documents / "draft.md").write_text(WORDS)
    (documents / "other.md").write_text("Other words.")
    return documents


def test_what_is_on_two_shelves_stays_until_it_has_left_both(store: FaissStore) -> None:
    page = Remote()
    listed(store, "one", page)
    listed(store, "two", page)

    report = listed(store, "two")

    assert (report.removed, report.missing) == ((), ())
    assert shelves(store) == {page.key: ("one",)}
    assert listed(store, "one").removed == (page.key,)
    assert page.fetched == 1


def test_what_has_left_both_shelves_is_missing_also_where_nothing_is_removed(store: FaissStore) -> None:
    page = Remote()
    listed(store, "one", page)
    listed(store, "two", page)

    assert [listed(store, shelf, prune=False).missing for shelf in ("one", "two")] == [(), (page.key,)]

    assert listed(store, "two").removed == (page.key,)


def test_a_partial_listing_takes_nothing_off_its_shelf(store: FaissStore) -> None:
    page = Remote()
    listed(store, "one", page)
    listed(store, "two", page)

    listed(store, "two", is_complete=False)

    assert shelves(store) == {page.key: ("one", "two")}


def test_a_shelf_within_another_is_looked_at_with_it(store: FaissStore) -> None:
    page = Remote()
    listed(store, "parent", page, within=frozenset({"child"}))
    listed(store, "child", page)

    assert listed(store, "parent", within=frozenset({"child"})).removed == (page.key,)


def test_a_changed_page_stays_on_its_other_shelf(store: FaissStore) -> None:
    listed(store, "one", Remote())
    listed(store, "two", Remote())

    listed(store, "two", Remote("# A\n\nAnother text.", version="2"))

    assert shelves(store) == {Remote().key: ("one", "two")}


def test_a_file_with_the_same_content_leaves_a_page_on_its_shelf(store: FaissStore, folder: Path) -> None:
    page = Remote(WORDS)
    listed(store, "one", page)
    filed(store, folder)

    assert listed(store, "one").removed == (page.key,)

    assert {document.source for document in store.documents()} == {"draft.md", "other.md"}


@pytest.mark.parametrize(("second", "title"), [("", "a"), ("second.md", "second")])
def test_a_file_that_leaves_a_page_behind_is_no_failure(
    store: FaissStore, folder: Path, second: str, title: str
) -> None:
    page = Remote(WORDS)
    filed(store, folder)
    listed(store, "one", page)
    if second:
        (folder / second).write_text(WORDS)
        filed(store, folder)
    (folder / "draft.md").unlink()

    report = filed(store, folder)
    listed(store, "one", page)

    assert (report.failed, report.removed) == ((), ("draft.md",))
    (left,) = (document for document in store.documents() if document.source == page.key)
    assert left.title == title
