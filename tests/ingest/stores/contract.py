"""
What every engine behind `KnowledgeStore` promises; subclass `StoreContract` and say how a store is opened.

What an engine does not promise is a class attribute here, and so has a name.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import pytest
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings

from ingest.errors import CollectionBusy, EmbeddingMismatch, InvalidFilter
from ingest.stores.filters import matches
from ingest.stores.port import Filter, KnowledgeStore, Source, StoredDocument


class Opens(Protocol):
    """Opens the test's collection, or another `name`; the first time makes it."""

    def __call__(
        self,
        name: str = "contract",
        *,
        embedding: Embeddings | None = None,
        embedding_name: str = "hash",
        embedding_hash: str = "",
        lock_timeout_s: float = 5,
    ) -> KnowledgeStore: ...


CHUNKS: Mapping[str, dict[str, Any]] = {
    "all": {"permission": "all", "page": 1},
    "hr": {"permission": "hr", "page": 2, "draft": True},
    "both": {"permission": ["hr", "sales"], "page": 3, "draft": False},
    "open": {"page": 4.5, "author": "O'Brien"},
    "quoted": {"author": 'the "boss"', "path": "C:\\new\\table"},
    "lines": {"author": "first\nsecond\tthird\r", "tags": ["a", "b", 3]},
    "chinese": {"author": "王小明", "部门": "财务", "tags": []},
    "injected": {"author": '"] or id != "" or ["', 'a key with "quotes" and \']': "x"},
    "none": {"author": None, "page": -7},
    "numbers": {"tags": [1, 20, 300], "page": 10**12},
}
"""Chunk ids and their metadata, for the filters below."""

FILTERS: Sequence[tuple[Mapping[str, Any], set[str]]] = [
    ({"permission": "all"}, {"all"}),
    ({"permission": "hr"}, {"hr", "both"}),
    ({"permission": ["all", "sales"]}, {"all", "both"}),
    ({"permission": ("all", "sales")}, {"all", "both"}),
    ({"permission": {"$in": ["hr"]}}, {"hr", "both"}),
    ({"permission": {"$nin": ["hr", "all"]}}, set(CHUNKS) - {"all", "hr", "both"}),
    ({"permission": {"$ne": "hr"}}, set(CHUNKS) - {"hr", "both"}),
    ({"permission": {"$exists": True}}, {"all", "hr", "both"}),
    ({"permission": {"$exists": False}}, set(CHUNKS) - {"all", "hr", "both"}),
    ({"permission": []}, set()),
    ({"permission": {"$nin": []}}, set(CHUNKS)),
    ({"permission": 3}, set()),
    ({"permission": ["all", 3]}, {"all"}),
    ({"page": 3}, {"both"}),
    ({"page": 4.5}, {"open"}),
    ({"page": 1.0}, {"all"}),
    ({"page": {"$gt": 3}}, {"open", "numbers"}),
    ({"page": {"$gte": 3, "$lt": 4.6}}, {"both", "open"}),
    ({"page": {"$lte": 1}}, {"all", "none"}),
    ({"page": {"$lt": -6.5}}, {"none"}),
    ({"page": 10**12}, {"numbers"}),
    ({"page": {"$gt": 10**30}}, set()),
    ({"page": {"$gt": "1"}}, set()),
    ({"page": {"$gt": None}}, set()),
    ({"draft": True}, {"hr"}),
    ({"draft": False}, {"both"}),
    ({"draft": {"$ne": True}}, set(CHUNKS) - {"hr"}),
    ({"tags": "a"}, {"lines"}),
    ({"tags": 20}, {"numbers"}),
    ({"tags": {"$gt": 20}}, {"numbers"}),
    ({"tags": {"$lt": 3}}, {"numbers"}),
    ({"tags": {"$lte": 3}}, {"lines", "numbers"}),
    ({"tags": {"$gt": "a"}}, {"lines"}),
    ({"tags": {"$exists": True}}, {"lines", "chinese", "numbers"}),
    ({"tags": {"$nin": ["a", 1]}}, set(CHUNKS) - {"lines", "numbers"}),
    ({"author": "O'Brien"}, {"open"}),
    ({"author": 'the "boss"'}, {"quoted"}),
    ({"path": "C:\\new\\table"}, {"quoted"}),
    ({"path": {"$gte": "C:\\"}}, {"quoted"}),
    ({"author": "first\nsecond\tthird\r"}, {"lines"}),
    ({"author": "王小明"}, {"chinese"}),
    ({"author": ["王小明", "O'Brien"]}, {"chinese", "open"}),
    ({"author": {"$gt": "the "}}, {"quoted", "chinese"}),
    ({"部门": "财务"}, {"chinese"}),
    ({"部门": {"$gt": "财"}}, {"chinese"}),
    ({"author": '"] or id != "" or ["'}, {"injected"}),
    ({"author": '" or "" == "'}, set()),
    ({'a key with "quotes" and \']': "x"}, {"injected"}),
    ({'a key with "quotes" and \']': {"$gte": "x"}}, {"injected"}),
    ({'"] or id != "" or metadata["': "x"}, set()),
    ({"author": None}, {"none"}),
    ({"author": {"$ne": None}}, set(CHUNKS) - {"none"}),
    ({"author": {"$exists": True}}, {"open", "quoted", "lines", "chinese", "injected", "none"}),
    ({"author": {"$in": [None, "O'Brien"]}}, {"none", "open"}),
    ({"page": {"$gte": 2}, "permission": "hr"}, {"hr", "both"}),
    ({"page": {"$gte": 2}, "permission": "hr", "draft": True}, {"hr"}),
    ({}, set(CHUNKS)),
]


def a_document(document_id: str, *sources: str, digest: str = "1", **labels: Any) -> StoredDocument:
    """Its sources are files of these names."""
    return StoredDocument(
        document_id,
        digest,
        f"Title {document_id}",
        tuple(Source(f"/files/{name}", name) for name in sources),
        labels=labels,
    )


def chunks(document: StoredDocument, *texts: str, **metadata: Any) -> list[Document]:
    """As the pipeline makes them."""
    return [
        Document(
            text,
            id=f"{document.id}-{number}",
            metadata={"source": document.source, "document_id": document.id, "chunk": number, **metadata},
        )
        for number, text in enumerate(texts)
    ]


def put(store: KnowledgeStore, document: StoredDocument, *texts: str, **metadata: Any) -> None:
    """Record it with these chunks and no others."""
    made = chunks(document, *texts, **metadata)
    vectors = store.embed(made)
    with store.writing() as change:
        change.forget.append(document.id)
        change.record.append(document)
        change.add += zip(made, vectors, strict=True)


def texts_in(store: KnowledgeStore, **kwargs: Any) -> set[str]:
    return {chunk.page_content for chunk in store.similarity_search("anything", k=1000, **kwargs)}


def ids_in(store: KnowledgeStore, wanted: Filter | None = None) -> set[str]:
    return {str(chunk.id) for chunk in store.similarity_search("anything", k=1000, filter=wanted)}


class StoreContract:
    changes_are_one_moment = True
    """A reader sees a document's chunks from before a change or from after it, never some of both."""
    has_index_of_words = True

    @pytest.fixture
    def open_store(self) -> Opens:
        raise NotImplementedError

    # chunks

    def test_what_was_added_is_there_after_reopening(self, open_store: Opens) -> None:
        open_store().add_texts(["one", "two"], [{"n": 1}, {"n": 2}], ids=["a", "b"])

        found, score = open_store().similarity_search_with_score("two", k=1)[0]

        assert (found.page_content, found.metadata, found.id) == ("two", {"n": 2}, "b")
        assert score == pytest.approx(1.0, abs=1e-5)

    def test_a_change_is_seen_at_once_by_whoever_has_it_open(self, open_store: Opens) -> None:
        writer, reader = open_store(), open_store()
        assert texts_in(reader) == set()

        writer.add_texts(["one"], ids=["a"])
        assert texts_in(reader) == {"one"}

        writer.delete(["a"])
        assert texts_in(reader) == set()

    def test_an_empty_collection_answers_with_nothing(self, open_store: Opens) -> None:
        store = open_store()

        assert store.similarity_search_with_score("anything", k=5) == []
        assert store.max_marginal_relevance_search("anything") == []
        assert store.get_by_ids(["a"]) == []
        assert (store.documents(), store.chunk_counts(), store.count()) == ([], {}, 0)
        assert store.document("nobody") is None
        assert store.chunks_of("nobody") == []

    def test_scores_are_plain_floats_and_the_best_comes_first(self, open_store: Opens) -> None:
        store = open_store()
        store.add_texts([f"text {n}" for n in range(50)])

        found = store.similarity_search_with_score("text 7", k=50)

        scores = [score for _, score in found]
        assert all(type(score) is float and -1.001 <= score <= 1.001 for score in scores)
        assert scores == sorted(scores, reverse=True)
        assert (found[0][0].page_content, len(found)) == ("text 7", 50)

    def test_scores_are_inner_products_of_unit_vectors(self, open_store: Opens) -> None:
        store = open_store()
        store.add_texts([f"text {n}" for n in range(20)])
        question = np.array(store.embeddings.embed_query("question"))

        for chunk, score in store.similarity_search_with_score("question", k=20):
            vector = np.array(store.embeddings.embed_query(chunk.page_content))
            cosine = question @ vector / np.linalg.norm(question) / np.linalg.norm(vector)
            assert score == pytest.approx(cosine, abs=1e-4)

    @pytest.mark.parametrize(("asked", "got"), [(0, 0), (1, 1), (3, 3), (10_000, 3)])
    def test_as_many_come_as_are_asked_for_and_there(self, open_store: Opens, asked: int, got: int) -> None:
        store = open_store()
        store.add_texts(["one", "two", "three"])

        assert len(store.similarity_search("one", k=asked)) == got

    def test_adding_an_id_again_replaces_it(self, open_store: Opens) -> None:
        store = open_store()
        store.add_texts(["old", "other"], [{"state": "old"}, {}], ids=["a", "b"])

        store.add_texts(["new"], [{"state": "new"}], ids=["a"])

        assert texts_in(store) == {"new", "other"}
        assert store.count() == 2
        assert ids_in(store, {"state": "old"}) == set()
        assert store.similarity_search_with_score("new", k=1)[0][1] == pytest.approx(1.0, abs=1e-5)

    def test_of_one_id_twice_in_a_change_the_last_counts(self, open_store: Opens) -> None:
        store = open_store()

        store.add_texts(["first", "last"], ids=["a", "a"])

        assert (texts_in(store), store.count()) == ({"last"}, 1)

    def test_ids_that_are_not_there_can_be_deleted(self, open_store: Opens) -> None:
        store = open_store()
        assert store.delete(["nobody"]) is True
        store.add_texts(["one", "two"], ids=["a", "b"])

        assert store.delete(["nobody", "a"]) is True

        assert (texts_in(store), store.count()) == ({"two"}, 1)

    def test_chunks_are_got_in_the_order_of_their_ids(self, open_store: Opens) -> None:
        store = open_store()
        store.add_texts(["one", "two", "three"], ids=["a", "b", "c"])

        assert [chunk.page_content for chunk in store.get_by_ids(["c", "nobody", "a"])] == ["three", "one"]

    def test_ids_texts_and_metadata_may_be_anything_that_is_text_and_json(self, open_store: Opens) -> None:
        store = open_store()
        metadata = {
            "部门": "财务",
            "nested": {"列表": [1, 2.5, None, {"x": "\\"}], "y": True},
            "quotes": "'\"\\ \n\t",
            "nothing": None,
            "large": 2**53,
        }
        chunk_id = "文档 \"1\"' or id != '' \\"

        store.add_texts(['第一段 🙂𠀀\n"两"\t\\n'], [metadata], ids=[chunk_id])

        (found,) = store.similarity_search("anything", k=5)
        assert (found.id, found.page_content, found.metadata) == (chunk_id, '第一段 🙂𠀀\n"两"\t\\n', metadata)
        assert store.get_by_ids([chunk_id]) == [found]
        store.delete([chunk_id])
        assert store.count() == 0

    def test_relevant_chunks_that_are_unlike_each_other_are_found(self, open_store: Opens) -> None:
        store = open_store()
        store.add_texts(["same", "same", "same", "different"], [{"n": n} for n in range(4)])

        found = store.max_marginal_relevance_search("same", k=2, fetch_k=4, lambda_mult=0.1)
        filtered = store.max_marginal_relevance_search("same", k=4, fetch_k=4, filter={"n": [0, 3]})

        assert {chunk.page_content for chunk in found} == {"same", "different"}
        assert {chunk.metadata["n"] for chunk in filtered} == {0, 3}

    # documents

    def test_a_chunk_says_what_its_document_is(self, open_store: Opens) -> None:
        store = open_store()

        put(store, a_document("d", "handbook.md", team="hr"), "one", "two", page=3)

        found = store.similarity_search("two", k=1)[0]
        assert found.metadata == {
            "document_id": "d", "source": "handbook.md", "chunk": 1, "page": 3, "team": "hr",
        }  # fmt: skip
        assert store.get_by_ids(["d-1"]) == [found]
        assert store.chunks_of("d")[1] == found

    def test_documents_come_by_the_name_of_their_source_as_they_were_recorded(self, open_store: Opens) -> None:
        recorded = [
            a_document("1", "b.md", digest="x", team="hr"),
            a_document("2", "a.md", "c.md"),
            StoredDocument(
                "3",
                "y",
                "中文标题",
                (Source("https://example.com/", "页面", "7", ("folder/a", "wiki/b")), Source("/页面", "页面 2")),
                is_titled_by_name=True,
            ),
        ]
        with open_store().writing() as change:
            change.record += recorded

        store = open_store()
        assert store.documents() == [recorded[1], recorded[0], recorded[2]]
        assert [store.document(one.id) for one in recorded] == recorded

    def test_the_chunks_of_a_document_come_in_their_order(self, open_store: Opens) -> None:
        store = open_store()
        texts = [f"part {n}" for n in range(25)]

        put(store, a_document("d", "a.md"), *texts)
        put(store, a_document("e", "b.md"), "another")

        assert [chunk.page_content for chunk in store.chunks_of("d")] == texts
        assert store.chunk_counts() == {"d": 25, "e": 1}

    def test_a_document_that_is_forgotten_goes_with_all_its_chunks(self, open_store: Opens) -> None:
        store = open_store()
        put(store, a_document("d", "a.md"), "one", "two")
        put(store, a_document("e", "b.md"), "three")

        with store.writing() as change:
            change.forget += ["d", "nobody"]

        assert [document.id for document in store.documents()] == ["e"]
        assert (texts_in(store), store.count(), store.chunk_counts()) == ({"three"}, 1, {"e": 1})
        assert store.get_by_ids(["d-0"]) == []

    def test_a_document_that_is_replaced_keeps_no_old_chunk(self, open_store: Opens) -> None:
        store = open_store()
        put(store, a_document("d", "a.md"), "one", "two", "three")

        put(store, a_document("d", "a.md", digest="2"), "new one", "new two")

        assert texts_in(store) == {"new one", "new two"}
        assert [chunk.page_content for chunk in store.chunks_of("d")] == ["new one", "new two"]
        assert [document.digest for document in store.documents()] == ["2"]

    def test_a_change_forgets_then_deletes_then_records_then_adds(self, open_store: Opens) -> None:
        store = open_store()
        put(store, a_document("d", "a.md"), "one", "two")
        fresh = chunks(a_document("d", "a.md"), "newest")

        with store.writing() as change:
            change.add += zip(fresh, store.embed(fresh), strict=True)
            change.record.append(a_document("d", "a.md", digest="2"))
            change.delete += ["d-0"]
            change.forget += ["d"]

        assert texts_in(store) == {"newest"}
        assert store.document("d") == a_document("d", "a.md", digest="2")

    def test_a_document_keeps_the_chunks_that_a_change_does_not_name(self, open_store: Opens) -> None:
        store = open_store()
        put(store, a_document("d", "a.md"), "one", "two", "three")
        fresh = chunks(a_document("d", "a.md"), "new one")

        with store.writing() as change:
            change.delete += ["d-2"]
            change.record.append(a_document("d", "a.md", digest="2"))
            change.add += zip(fresh, store.embed(fresh), strict=True)

        assert texts_in(store) == {"new one", "two"}

    def test_a_renamed_document_keeps_its_chunks_and_they_say_its_new_name(self, open_store: Opens) -> None:
        store = open_store()
        put(store, a_document("d", "old.md"), "one", "two")

        with store.writing() as change:
            change.record.append(a_document("d", "new.md"))

        found = store.similarity_search_with_score("two", k=1)[0]
        assert (found[0].id, found[0].metadata["source"]) == ("d-1", "new.md")
        assert found[1] == pytest.approx(1.0, abs=1e-5)
        assert ids_in(store, {"source": "new.md"}) == {"d-0", "d-1"}
        assert ids_in(store, {"source": "old.md"}) == set()
        assert [chunk.page_content for chunk in store.chunks_of("d")] == ["one", "two"]

    def test_one_content_found_twice_has_two_sources(self, open_store: Opens) -> None:
        store = open_store()
        put(store, a_document("d", "b.md"), "one")

        with store.writing() as change:
            change.record.append(
                StoredDocument("d", "1", "Title d", (Source("/2", "c.md"), Source("/1", "a.md"), Source("/0", "b.md")))
            )

        (found,) = store.similarity_search("one")
        assert (found.metadata["source"], found.metadata["sources"]) == ("a.md", ["a.md", "b.md", "c.md"])
        assert ids_in(store, {"sources": "c.md"}) == {"d-0"}
        with store.writing() as change:
            change.record.append(a_document("d", "c.md"))
        (found,) = store.similarity_search("one")
        assert found.metadata["source"] == "c.md"
        assert "sources" not in found.metadata

    def test_a_source_belongs_to_the_document_that_was_recorded_with_it_last(self, open_store: Opens) -> None:
        store = open_store()
        put(store, a_document("d", "a.md", "b.md"), "one")

        put(store, a_document("e", "a.md"), "two")

        assert store.documents() == [a_document("e", "a.md"), a_document("d", "b.md")]
        assert {chunk.page_content: chunk.metadata["source"] for chunk in store.similarity_search("one", k=9)} == {
            "one": "b.md",
            "two": "a.md",
        }

    def test_labels_are_found_in_the_metadata_and_can_be_filtered_by(self, open_store: Opens) -> None:
        store = open_store()
        put(store, a_document("d", "a.md", permission=["hr", "boss"], year=2024), "one")
        put(store, a_document("e", "b.md", permission="all"), "two")

        (found,) = store.similarity_search("one", k=9, filter={"permission": "boss"})
        assert (found.metadata["permission"], found.metadata["year"]) == (["hr", "boss"], 2024)
        assert texts_in(store, filter={"permission": ["all", "sales"]}) == {"two"}
        assert texts_in(store, filter={"year": {"$gte": 2024}, "source": "a.md"}) == {"one"}
        assert texts_in(store, filter={"permission": {"$ne": "all"}}) == {"one"}

    def test_other_labels_count_as_soon_as_they_are_recorded(self, open_store: Opens) -> None:
        store = open_store()
        put(store, a_document("d", "a.md", permission="all", draft=True), "one", "two")

        with store.writing() as change:
            change.record.append(a_document("d", "a.md", permission="hr"))

        assert texts_in(store, filter={"permission": "all"}) == set()
        assert texts_in(store, filter={"permission": "hr"}) == {"one", "two"}
        assert texts_in(store, filter={"draft": {"$exists": True}}) == set()
        assert "draft" not in store.similarity_search("one")[0].metadata

    def test_a_label_of_one_document_does_not_hide_what_chunks_of_another_say(self, open_store: Opens) -> None:
        store = open_store()
        put(store, a_document("d", "a.md", topic="travel"), "one")
        put(store, a_document("e", "b.md"), "two", topic="travel")

        assert texts_in(store, filter={"topic": "travel"}) == {"one", "two"}
        assert texts_in(store, filter={"topic": {"$ne": "travel"}}) == set()

    def test_what_is_within_an_archive_follows_its_name(self, open_store: Opens) -> None:
        store = open_store()
        archive = a_document("z", "old.zip")
        inside = chunks(archive, "one")
        inside[0].metadata["source"] = "old.zip/folder/a.md"
        with store.writing() as change:
            change.record.append(archive)
            change.add += zip(inside, store.embed(inside), strict=True)
        assert store.similarity_search("one")[0].metadata["source"] == "old.zip/folder/a.md"

        with store.writing() as change:
            change.record.append(a_document("z", "new.zip"))

        (found,) = store.similarity_search("one")
        assert found.metadata == {"source": "new.zip/folder/a.md", "document_id": "z", "chunk": 0}

    def test_chunks_may_belong_to_no_document(self, open_store: Opens) -> None:
        store = open_store()
        put(store, a_document("d", "a.md"), "one")

        store.add_texts(["alone", "of another"], [{}, {"document_id": "unknown"}])

        assert texts_in(store) == {"one", "alone", "of another"}
        assert store.chunk_counts() == {"d": 1, "unknown": 1}
        assert texts_in(store, filter={"document_id": "unknown"}) == {"of another"}
        assert store.document("unknown") is None

    def test_ids_of_documents_and_names_of_sources_may_hold_anything(self, open_store: Opens) -> None:
        store = open_store()
        name = '文件夹/it\'s "here" \\ or.md'
        document = a_document("d'\"\\", name)
        put(store, document, "one")

        assert store.document(document.id) == document
        assert texts_in(store, filter={"source": name}) == {"one"}
        with store.writing() as change:
            change.record.append(a_document("e", name))
        assert store.document(document.id) == a_document(document.id)
        with store.writing() as change:
            change.forget.append(document.id)
        assert (store.count(), [one.id for one in store.documents()]) == (0, ["e"])

    # filters

    def test_filters_choose_what_may_be_found(self, open_store: Opens) -> None:
        store = open_store()
        store.add_texts(list(CHUNKS), list(CHUNKS.values()), ids=list(CHUNKS))

        for wanted, expected in FILTERS:
            assert ids_in(store, wanted) == expected, wanted
            assert {name for name, metadata in CHUNKS.items() if matches(metadata, wanted)} == expected, wanted

    def test_a_filter_chooses_before_the_search(self, open_store: Opens) -> None:
        store = open_store()
        store.add_texts([f"text {n}" for n in range(500)], [{"rare": n >= 490} for n in range(500)])

        assert len(store.similarity_search("text 3", k=10, filter={"rare": True})) == 10
        assert len(store.similarity_search("text 3", k=3, filter=lambda chunk: chunk.metadata["rare"])) == 3

    def test_a_predicate_sees_what_a_found_chunk_is(self, open_store: Opens) -> None:
        store = open_store()
        put(store, a_document("d", "a.md", team="hr"), "one", "two")
        put(store, a_document("e", "b.md"), "three")
        seen: list[Document] = []

        def is_second(chunk: Document) -> bool:
            seen.append(chunk)
            return chunk.metadata["source"] == "a.md" and chunk.page_content == "two"

        assert texts_in(store, filter=is_second) == {"two"}
        assert sorted(map(repr, seen)) == sorted(map(repr, store.similarity_search("x", k=9)))
        assert texts_in(store, filter=lambda chunk: False) == set()

    @pytest.mark.parametrize("wanted", [{"page": {"$near": 3}}, {"page": {"$in": 3}}, {"page": {"$nin": "ab"}}])
    @pytest.mark.parametrize("is_empty", [True, False])
    def test_what_no_filter_can_say_is_refused(self, open_store: Opens, wanted: Filter, is_empty: bool) -> None:
        store = open_store()
        if not is_empty:
            store.add_texts(["one"], [{"page": 3}])

        with pytest.raises(InvalidFilter, match="page"):
            store.similarity_search("one", filter=wanted)

    # changes

    def test_a_change_that_raises_is_not_made(self, open_store: Opens) -> None:
        store = open_store()
        put(store, a_document("d", "a.md"), "one")

        def fail() -> None:
            with store.writing() as change:
                change.forget.append("d")
                raise RuntimeError("on purpose")

        with pytest.raises(RuntimeError, match="on purpose"):
            fail()

        assert texts_in(store) == {"one"}
        put(store, a_document("e", "b.md"), "two")
        assert texts_in(open_store()) == {"one", "two"}

    def test_metadata_that_is_not_json_is_refused_and_nothing_is_changed(self, open_store: Opens) -> None:
        store = open_store()
        put(store, a_document("d", "a.md"), "one")

        with pytest.raises(TypeError):
            put(store, a_document("d", "a.md", digest="2"), "two", thing=object())

        assert texts_in(store) == {"one"}
        assert store.document("d") == a_document("d", "a.md")

    def test_each_change_is_a_generation_and_an_empty_one_is_none(self, open_store: Opens) -> None:
        store = open_store()
        before = int(store.facts()["generation"])

        with store.writing():
            pass
        assert int(store.facts()["generation"]) == before

        store.add_texts(["one"])
        assert int(open_store().facts()["generation"]) > before

    def test_who_writes_is_alone(self, open_store: Opens) -> None:
        first, second = open_store(), open_store(lock_timeout_s=0.1)
        made = [Document("one", id="a")]

        with first.writing() as change:
            change.add += zip(made, first.embed(made), strict=True)
            with pytest.raises(CollectionBusy, match="another process is writing"):
                second.add_texts(["two"])
            assert texts_in(second) == set()

        second.add_texts(["three"])
        assert texts_in(first) == {"one", "three"}

    def test_writers_wait_for_each_other_and_nothing_is_lost(self, open_store: Opens) -> None:
        open_store()

        def write(number: int) -> None:
            put(open_store(lock_timeout_s=100), a_document(f"d{number}", f"{number}.md"), f"text {number}")

        in_threads(*(lambda number=number: write(number) for number in range(5)))

        assert texts_in(open_store()) == {f"text {number}" for number in range(5)}
        assert open_store().count() == len(open_store().documents()) == 5

    def test_readers_go_on_while_somebody_writes(self, open_store: Opens) -> None:
        put(open_store(), a_document("d", "a.md"), *(f"0 {part}" for part in range(4)))
        put(open_store(), a_document("gone", "b.md"), "to be forgotten")
        done = threading.Event()

        def write() -> None:
            try:
                store = open_store()
                for number in range(1, 6):
                    put(store, a_document("d", "a.md"), *(f"{number} {part}" for part in range(4)))
                with store.writing() as change:
                    change.forget.append("gone")
            finally:
                done.set()

        def read() -> None:
            store = open_store()
            while not done.is_set():
                found = [chunk for chunk in store.similarity_search("x", k=20) if chunk.metadata["document_id"] == "d"]
                assert sorted(str(chunk.id) for chunk in found) == ["d-0", "d-1", "d-2", "d-3"]
                assert {chunk.page_content[2:] for chunk in found} == {"0", "1", "2", "3"}
                if self.changes_are_one_moment:
                    assert len({chunk.page_content[0] for chunk in found}) == 1
                assert [chunk.id for chunk in store.chunks_of("d")] == ["d-0", "d-1", "d-2", "d-3"]

        in_threads(write, read, read)

        assert texts_in(open_store()) == {f"5 {part}" for part in range(4)}

    # the collection

    def test_the_manifest_says_what_it_was_made_with_and_what_was_noted(self, open_store: Opens) -> None:
        store = open_store(embedding_hash="abc")
        store.add_texts(["one"])

        store.note({"splitter": "500/50", "说明": "测试"})
        store.note({"splitter": "300/30"})

        facts = open_store(embedding_hash="abc").facts()
        expected = {
            "embedding": "hash", "embedding_hash": "abc", "dimension": "16", "splitter": "300/30", "说明": "测试",
        }  # fmt: skip
        assert facts.items() >= expected.items()
        assert all(type(value) is str for value in facts.values())
        assert texts_in(store) == {"one"}

    def test_another_embedding_model_is_refused_and_named(self, open_store: Opens) -> None:
        open_store(embedding_hash="abc").add_texts(["one"])

        with pytest.raises(EmbeddingMismatch, match=r"'hash'.*'other'.*LARKWISE_EMBEDDING_MODEL=hash"):
            open_store(embedding_name="other")
        with pytest.raises(EmbeddingMismatch, match=r"hash abc.*hash xyz"):
            open_store(embedding_hash="xyz")
        assert texts_in(open_store()) == {"one"}

    def test_vectors_of_another_length_are_refused_and_nothing_is_changed(self, open_store: Opens) -> None:
        store = open_store()
        store.add_texts(["one"])

        with pytest.raises(EmbeddingMismatch, match="8 dimensions instead of 16"), store.writing() as change:
            change.add.append((Document("two", id="b"), np.ones(8, dtype=np.float32)))

        assert texts_in(store) == {"one"}

    def test_collections_are_apart(self, open_store: Opens) -> None:
        put(open_store(), a_document("d", "a.md"), "one")
        put(open_store("另一个-2_x"), a_document("d", "b.md"), "two")

        assert texts_in(open_store()) == {"one"}
        assert texts_in(open_store("另一个-2_x")) == {"two"}
        assert open_store("另一个-2_x").name == "另一个-2_x"

    def test_a_collection_that_is_whole_passes_its_check(self, open_store: Opens) -> None:
        open_store().check()
        put(open_store(), a_document("d", "a.md"), "one")
        open_store().check()

    def test_the_store_embeds_what_stands_in_chunks_and_above_them(self, open_store: Opens) -> None:
        store = open_store()
        vectors = store.embed([Document("text", metadata={"title": "Title"}), Document("Title\ntext")])

        assert np.allclose(vectors[0], vectors[1])
        assert np.linalg.norm(vectors, axis=1) == pytest.approx(1.0, abs=1e-5)

    # words

    def test_words_are_found_where_there_is_an_index_of_them(self, open_store: Opens) -> None:
        store: Any = open_store()
        put(store, a_document("d", "a.md", team="hr"), "annual leave is fifteen days", "parking is free")

        assert hasattr(store, "hybrid_search") is hasattr(store, "keyword_search") is self.has_index_of_words
        if not self.has_index_of_words:
            return
        found = store.keyword_search("leave days", 5)
        assert [chunk.id for chunk, _ in found] == ["d-0"]
        assert store.keyword_search("leave", 5, filter={"team": "sales"}) == []
        near = {chunk.id: product for chunk, product in store.similarity_search_with_score("leave days", 5)}
        both = {chunk.id: (product, score) for chunk, product, score in store.hybrid_search("leave days", 1)}
        assert "d-0" in both
        assert len(both) <= 2
        for id, (product, score) in both.items():
            assert product == pytest.approx(near[id], abs=1e-5)
            assert score == (found[0][1] if id == "d-0" else 0.0)
        assert store.hybrid_search("leave", 5, filter={"team": "sales"}) == []
        rare, common, none = store.rarities(["leave", "is", "？"])
        assert rare > 0
        assert common == none == 0.0


def in_threads(*work: Callable[[], None]) -> None:
    """At once; what one raises is raised."""
    failures: list[BaseException] = []

    def run(one: Callable[[], None]) -> None:
        try:
            one()
        except BaseException as error:  # noqa: BLE001 - it is raised below
            failures.append(error)

    threads = [threading.Thread(target=run, args=(one,)) for one in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
