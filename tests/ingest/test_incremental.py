"""Whatever happens to a folder, the collection is what a new one made from it would be."""

from __future__ import annotations

import contextlib
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from langchain_core.documents import Document

from ingest import pipeline
from ingest.embedding import EmbedHere
from ingest.errors import NothingToIngest
from ingest.files import list_files
from ingest.pipeline import IngestOptions, ingest
from ingest.splitter import SplitterSettings
from ingest.stores import compaction, faiss, upkeep
from ingest.stores.faiss import FaissStore
from tests.ingest.fakes import HashEmbeddings

NAMES = ["a.md", "b.txt", "c.txt", "sub/a.md", "sub/d.txt"]
CONTENTS = [
    "# One\n\nThe first text.\n\nIt has two paragraphs that are long enough to be cut into pieces of their own.",
    "# One\n\nThe first text.\n\nIt has two paragraphs, one of which was changed a little by somebody.",
    "No heading: the file's name is the title.",
    "没有标题的文件，名字就是标题。第二句话也在这里，为了切成两块，还要再长一点才行。",
    "# 年假\n\n每年十五天。\n\n# 病假\n\n需要证明。",
]
OPTIONS = IngestOptions(SplitterSettings(60, 10), prune=True)


class Crash(BaseException):
    """As if the process had ended."""


def store_in(folder: Path) -> FaissStore:
    return FaissStore(folder, HashEmbeddings(), embedding_name="hash")


def run(store: FaissStore, folder: Path) -> None:
    ingest(store, list_files([folder]).listing(), OPTIONS, EmbedHere(store.embeddings), progress=lambda *_: None)


def said_of(chunk: Document) -> tuple[str, str, tuple[tuple[str, Any], ...]]:
    """Everything but the ids, which hold the history."""
    told = {name: value for name, value in chunk.metadata.items() if name != "document_id"}
    told["sources"] = tuple(told.get("sources", (told["source"],)))
    return chunk.page_content, str(chunk.metadata["source"]), tuple(sorted(told.items()))


def contents(store: FaissStore) -> list[Any]:
    chunks = [chunk for document in store.documents() for chunk in store.chunks_of(document.id)]
    return sorted(said_of(chunk) for chunk in chunks)


def found(store: FaissStore) -> list[Any]:
    """What searches say: the scores, and the texts that have them."""
    near = store.similarity_search_with_score("The first text", k=50)
    words = [store.keyword_search(question, 50) for question in ("text paragraphs", "年假 证明", "标题")]
    return [sorted((round(score, 4), *said_of(chunk)[:2]) for chunk, score in hits) for hits in (near, *words)]


@dataclass(frozen=True)
class Write:
    name: str
    content: str


@dataclass(frozen=True)
class Delete:
    name: str


@dataclass(frozen=True)
class Rename:
    old: str
    new: str


@dataclass(frozen=True)
class Round:
    """What happens to the folder; after how many commits the ingestion that follows crashes (then it runs again)."""

    events: list[Write | Delete | Rename]
    crash_after: int | None


names, texts = st.sampled_from(NAMES), st.sampled_from(CONTENTS)
events = st.one_of(
    st.builds(Write, names, texts),
    st.builds(Write, names, texts),
    st.builds(Delete, names),
    st.builds(Rename, names, names),
)
rounds = st.lists(
    st.builds(Round, st.lists(events, min_size=1, max_size=5), st.one_of(st.none(), st.integers(0, 4))),
    min_size=2,
    max_size=5,
)


def happen(event: Write | Delete | Rename, folder: Path) -> None:
    match event:
        case Write(name, content):
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text(content, encoding="utf-8")
        case Delete(name):
            (folder / name).unlink(missing_ok=True)
        case Rename(old, new):
            if (folder / old).exists() and old != new:
                (folder / new).parent.mkdir(exist_ok=True)
                (folder / old).rename(folder / new)


def crash_in(store: FaissStore, folder: Path, commits: int) -> None:
    """After so many commits, of changes and of merges."""
    left = commits

    def commit(db: Any) -> None:
        nonlocal left
        if left == 0:
            raise Crash
        left -= 1
        real(db)

    real, faiss.commit = faiss.commit, commit
    try:
        with contextlib.suppress(Crash):
            run(store, folder)
    finally:
        faiss.commit = real


@pytest.fixture(autouse=True)
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several commits a run, and merges all the time."""
    monkeypatch.setattr(pipeline, "_CHUNKS_A_COMMIT", 4)
    monkeypatch.setattr(compaction, "FAN_OUT", 2)
    monkeypatch.setattr(compaction, "_SMALLEST", 2)
    monkeypatch.setattr(compaction, "_MANY_DEAD", 1)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=rounds)
def test_a_collection_is_what_a_new_one_would_be_whatever_happened_before(history: list[Round]) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "documents"
        folder.mkdir()
        (folder / "always.md").write_text("# Always\n\nThis one stays.\n")
        for number, happened in enumerate(history):
            for event in happened.events:
                happen(event, folder)
            store = store_in(Path(scratch) / "collection")
            if happened.crash_after is not None:
                crash_in(store, folder, happened.crash_after)
                store = store_in(Path(scratch) / "collection")
            run(store, folder)
            fresh = store_in(Path(scratch) / f"fresh-{number}")
            run(fresh, folder)
            assert upkeep.verify(store) == []
            assert contents(store) == contents(fresh)
            assert found(store) == found(fresh)


def test_an_empty_folder_is_told_and_nothing_is_removed(tmp_path: Path) -> None:
    """It may be a disk that is not mounted."""
    folder = tmp_path / "documents"
    folder.mkdir()
    (folder / "a.md").write_text("# A\n\nText.\n")
    store = store_in(tmp_path / "collection")
    run(store, folder)
    (folder / "a.md").unlink()
    with pytest.raises(NothingToIngest):
        run(store, folder)
    assert store.count() == 1
