from __future__ import annotations

import errno
import os
import zipfile
from pathlib import Path
from typing import Any

import pytest

from ingest.collections import Collections, EmbeddingModel
from ingest.documents import IngestReport
from ingest.embedding import EmbedHere
from ingest.errors import (
    CollectionBusy,
    InvalidCollectionName,
    NothingToIngest,
    PathNotFound,
    UnknownCollection,
)
from ingest.files import list_files
from ingest.pipeline import IngestOptions, ingest
from ingest.splitter import SplitterSettings
from ingest.stores.faiss import FaissStore
from tests.ingest.fakes import HashEmbeddings


@pytest.fixture
def embeddings() -> HashEmbeddings:
    return HashEmbeddings()


@pytest.fixture
def store(tmp_path: Path, embeddings: HashEmbeddings) -> FaissStore:
    return Collections(tmp_path / "collections", EmbeddingModel(embeddings, "hash")).create("default")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    documents = tmp_path / "documents"
    (documents / "sub").mkdir(parents=True)
    (documents / "a.md").write_text("# A\n\nFirst document.\n", encoding="utf-8")
    (documents / "sub" / "b.txt").write_text("第二个文档。", encoding="gbk")
    return documents


def run(
    store: FaissStore, *paths: Path, splitter: SplitterSettings | None = None, prune: bool = False, **labels: Any
) -> IngestReport:
    options = IngestOptions(splitter or SplitterSettings(), labels, prune)
    listing = list_files(paths).listing()
    return ingest(store, listing, options, EmbedHere(store.embeddings), progress=lambda *_: None)


def test_every_document_of_a_folder_goes_in_with_its_place(store: FaissStore, folder: Path) -> None:
    report = run(store, folder)
    assert set(report.added) == {"a.md", "sub/b.txt"}
    found = {document.metadata["source"]: document for document in store.similarity_search("x", k=10)}
    assert found["sub/b.txt"].page_content == "第二个文档。"
    assert found["a.md"].metadata | {"document_id": ""} == {
        "source": "a.md",
        "title": "A",
        "headings": "",
        "chunk": 0,
        "start": 0,
        "document_id": "",
    }


def test_ingesting_again_works_on_what_changed_only(
    store: FaissStore, folder: Path, embeddings: HashEmbeddings
) -> None:
    run(store, folder)
    before = embeddings.embedded
    assert set(run(store, folder).unchanged) == {"a.md", "sub/b.txt"}
    assert embeddings.embedded == before
    (folder / "a.md").write_text("# A\n\nAnother text.\n", encoding="utf-8")
    report = run(store, folder)
    assert (report.changed, report.unchanged) == (("a.md",), ("sub/b.txt",))
    assert embeddings.embedded == before + 1
    assert store.count() == 2
    assert not any("First" in document.page_content for document in store.similarity_search("x", k=10))


def test_a_document_that_is_gone_is_told_and_removed_on_request(
    store: FaissStore, folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "elsewhere.md").write_text("# Elsewhere\n\nStays.\n")
    run(store, folder, tmp_path / "elsewhere.md")
    (folder / "a.md").unlink()
    (tmp_path / "elsewhere.md").unlink()  # not below the folder: nobody has said anything about it
    assert run(store, folder).missing == ("a.md",)
    assert store.count() == 3
    report = run(store, folder, prune=True)
    assert (report.removed, report.missing) == (("a.md",), ())
    assert {document.source for document in store.documents()} == {"sub/b.txt", "elsewhere.md"}
    assert store.count() == 2


def test_another_splitter_counts_as_a_change(store: FaissStore, folder: Path) -> None:
    run(store, folder)
    assert set(run(store, folder, splitter=SplitterSettings(100, 10)).changed) == {"a.md", "sub/b.txt"}


def test_a_file_that_cannot_be_read_is_reported_and_the_others_go_in(store: FaissStore, folder: Path) -> None:
    (folder / "binary.md").write_bytes(bytes(range(256)) * 10)
    (folder / "empty.txt").write_bytes(b"")
    (folder / "data.xyz").write_bytes(b"?")
    (folder / ".hidden.md").write_text("hidden")
    report = run(store, folder)
    assert set(report.added) == {"a.md", "sub/b.txt"}
    assert {refused.path for refused in report.failed} == {"binary.md", "empty.txt"}
    assert [refused.path for refused in report.skipped] == ["data.xyz"]


def test_a_file_that_becomes_unreadable_keeps_its_old_chunks(store: FaissStore, folder: Path) -> None:
    run(store, folder)
    (folder / "a.md").write_bytes(bytes(range(256)) * 10)
    assert [refused.path for refused in run(store, folder).failed] == ["a.md"]
    assert store.count() == 2


def test_a_path_that_does_not_exist_is_named(store: FaissStore, tmp_path: Path) -> None:
    with pytest.raises(PathNotFound, match="nowhere does not exist"):
        run(store, tmp_path / "nowhere")


def test_an_empty_folder_says_what_is_read(store: FaissStore, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(NothingToIngest, match=r"no document in .*empty.*\.md"):
        run(store, tmp_path / "empty")


def test_a_file_of_another_kind_that_is_named_itself_fails(store: FaissStore, folder: Path) -> None:
    (folder / "data.xyz").write_bytes(b"?")
    assert [refused.path for refused in run(store, folder / "data.xyz", folder / "a.md").failed] == ["data.xyz"]


def test_a_busy_collection_is_told(store: FaissStore, folder: Path, tmp_path: Path) -> None:
    other = FaissStore(store.folder, HashEmbeddings(), embedding_name="hash", lock_timeout_s=0.1)
    with store.writing(), pytest.raises(CollectionBusy):
        run(other, folder)


def test_collections_are_listed_described_and_deleted(tmp_path: Path, folder: Path) -> None:
    collections = Collections(tmp_path / "c", EmbeddingModel(HashEmbeddings(), "hash"))
    run(collections.create("zh-docs"), folder)
    assert collections.names() == ["zh-docs"]
    facts = collections.describe("zh-docs")
    assert (facts.documents, facts.chunks, facts.embedding) == (2, 2, "hash")
    collections.delete("zh-docs")
    assert collections.names() == []
    with pytest.raises(UnknownCollection, match=r"zh-docs.*none yet"):
        collections.open("zh-docs")


@pytest.mark.parametrize("name", ["", "../x", "a/b", "a b", "x" * 65, "."])
def test_a_name_that_could_leave_the_folder_is_refused(tmp_path: Path, name: str) -> None:
    collections = Collections(tmp_path / "c", EmbeddingModel(HashEmbeddings(), "hash"))
    with pytest.raises(InvalidCollectionName):
        collections.create(name)


def test_an_archive_goes_in_member_by_member_and_its_bad_members_are_named(store: FaissStore, folder: Path) -> None:
    with zipfile.ZipFile(folder / "all.zip", "w") as archive:
        archive.writestr("good.md", "# Good\n\nInside of an archive.\n")
        archive.writestr("bad.pdf", b"%PDF-1.4 cut off")
        archive.writestr("film.mp4", b"not read")
    report = run(store, folder)
    assert "all.zip" in report.added
    assert [refused.path for refused in report.failed] == ["all.zip/bad.pdf"]
    assert [refused.path for refused in report.skipped] == ["all.zip/film.mp4"]
    sources = {document.metadata["source"] for document in store.similarity_search("x", k=10)}
    assert "all.zip/good.md" in sources


def test_what_a_folder_says_is_not_to_be_read_is_skipped_and_named(store: FaissStore, folder: Path) -> None:
    (folder / ".larkwiseignore").write_text("# not yet\nsub/*\n")
    report = run(store, folder)
    assert report.added == ("a.md",)
    assert [(refused.path, refused.reason) for refused in report.skipped] == [("sub/b.txt", "named in .larkwiseignore")]


def test_a_link_out_of_the_folder_is_reported_and_the_rest_goes_in(store: FaissStore, folder: Path) -> None:
    secret = folder.parent / "secret.md"
    secret.write_text("# Secret\n\nNot to be read.\n")
    (folder / "link.md").symlink_to(secret)
    report = run(store, folder)
    assert [refused.path for refused in report.failed] == ["link.md"]
    assert set(report.added) == {"a.md", "sub/b.txt"}


def ids(store: FaissStore) -> dict[str, str]:
    return {document.source: document.id for document in store.documents()}


def test_a_renamed_file_keeps_its_ids_and_is_not_embedded_again(
    store: FaissStore, folder: Path, embeddings: HashEmbeddings
) -> None:
    run(store, folder)
    before, embedded = ids(store)["a.md"], embeddings.embedded
    chunk = store.chunks_of(before)[0].id
    (folder / "a.md").rename(folder / "sub" / "new.md")
    report = run(store, folder, prune=True)
    assert (report.renamed, report.removed, report.missing) == (("sub/new.md",), (), ())
    assert ids(store)["sub/new.md"] == before
    assert [one.id for one in store.chunks_of(before)] == [chunk]
    assert store.chunks_of(before)[0].metadata["source"] == "sub/new.md"
    assert embeddings.embedded == embedded


def test_the_same_content_twice_is_stored_once_with_both_sources(
    store: FaissStore, folder: Path, embeddings: HashEmbeddings
) -> None:
    run(store, folder)
    embedded = embeddings.embedded
    (folder / "copy.md").write_bytes((folder / "a.md").read_bytes())
    assert run(store, folder).duplicates == ("copy.md",)
    assert (store.count(), embeddings.embedded) == (2, embedded)
    chunk = next(one for one in store.similarity_search("x", k=9) if one.metadata["source"] == "a.md")
    assert chunk.metadata["sources"] == ["a.md", "copy.md"]
    (folder / "a.md").write_text("# A\n\nIt has changed here only.\n")
    assert run(store, folder).changed == ("a.md",)
    assert {one.metadata["source"] for one in store.similarity_search("x", k=9)} == {"a.md", "copy.md", "sub/b.txt"}


def test_a_file_without_a_title_is_called_by_its_new_name(store: FaissStore, folder: Path) -> None:
    run(store, folder)
    (folder / "sub" / "b.txt").rename(folder / "sub" / "年假制度.txt")
    assert run(store, folder).renamed == ("sub/年假制度.txt",)
    chunk = next(one for one in store.similarity_search("x", k=9) if one.metadata["source"] != "a.md")
    assert chunk.metadata["title"] == "年假制度"
    assert store.keyword_search("年假制度", 1)[0][0].id == chunk.id


def test_nothing_is_removed_after_a_partial_listing(
    store: FaissStore, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(store, folder)
    (folder / "a.md").unlink()
    real = os.scandir

    def scandir(path: Path) -> Any:
        if Path(path).name == "sub":
            raise PermissionError(errno.EACCES, "Permission denied")
        return real(path)

    (folder / "c.md").write_text("# C\n\nNew.\n")
    monkeypatch.setattr(os, "scandir", scandir)
    report = run(store, folder, prune=True)
    assert (report.removed, report.added) == ((), ("c.md",))
    assert report.missing == ("a.md", "sub/b.txt")
    assert "nothing is removed" in report.kept_back
    monkeypatch.undo()
    assert run(store, folder, prune=True).removed == ("a.md",)


def test_labels_are_on_every_chunk_and_change_without_embedding_again(
    store: FaissStore, folder: Path, embeddings: HashEmbeddings
) -> None:
    run(store, folder, permission=["hr", "all"])
    embedded = embeddings.embedded
    assert len(store.similarity_search("x", k=9, filter={"permission": "hr"})) == 2
    assert set(run(store, folder, permission="it").unchanged) == {"a.md", "sub/b.txt"}
    assert store.similarity_search("x", k=9, filter={"permission": "hr"}) == []
    assert len(store.keyword_search("文档 document", 9, filter={"permission": "it"})) == 2
    assert embeddings.embedded == embedded


def test_what_came_before_a_crash_is_not_done_again(store: FaissStore, folder: Path) -> None:
    """The first commit is made, the second is not."""
    for number in range(600):
        (folder / f"{number:03}.md").write_text(f"# {number}\n\nText {number}.\n")
    seen: list[int] = []

    class Ends(EmbedHere):
        def embed(self, batches: Any) -> Any:
            for batch, vectors in super().embed(batches):
                if seen:
                    raise CollectionBusy("on purpose")
                seen.append(len(vectors))
                yield batch, vectors

    listing = list_files([folder]).listing()
    with pytest.raises(CollectionBusy, match="on purpose"):
        ingest(store, listing, IngestOptions(), Ends(store.embeddings), progress=lambda *_: None)
    report = run(store, folder)
    assert len(report.unchanged) == seen[0]
    assert len(report.added) == 602 - seen[0]
    assert store.count() == 602


def test_a_document_that_is_deleted_while_a_run_goes_on_is_not_recorded_without_its_chunks(
    store: FaissStore, folder: Path
) -> None:
    run(store, folder)
    (folder / "copy.md").write_bytes((folder / "a.md").read_bytes())

    class Deletes(EmbedHere):
        def embed(self, batches: Any) -> Any:
            for batch in super().embed(batches):
                with store.writing() as change:
                    change.forget += [document.id for document in store.documents()]
                yield batch

    listing = list_files([folder]).listing()
    report = ingest(store, listing, IngestOptions(), Deletes(store.embeddings), progress=lambda *_: None)
    assert [(one.path, "deleted" in one.reason) for one in report.failed] == [("copy.md", True)]
    assert (store.documents(), store.count()) == ([], 0)
    assert set(run(store, folder).added) == {"a.md", "sub/b.txt"}
