"""`larkwise eval retrieval`: from the set to the report, on a real collection; in most tests the search is scripted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from app.ingestion import ingest_paths
from app.settings import load_settings
from evals.cli import commands
from evals.places import place
from evals.retrieval import Ranking, measure
from evals.retrieval_records import RETRIEVAL, RetrievalRecord
from evals.retrieval_report import report_of, table
from evals.runs import read
from evals.sets import FolderSet
from ingest.stores.port import KnowledgeStore
from tests.evals.made import RETRIEVAL_FACTS, found, write

CORPUS = (
    {
        "id": "d1",
        "title": "云雀学院",
        "text": "云雀学院成立于一九八五年，位于昆明。" + "校园里有湖。" * 20 + "校长是王小明。",
    },
    {"id": "d2", "title": "Lark", "text": "The lark is a small bird. It was first described in 1758."},
)
ASKED = (
    {"id": "q1", "question": "云雀学院成立于哪一年？", "gold_ids": ["d1"], "answers": ["一九八五"], "answerable": True},
    {"id": "q2", "question": "Who heads the academy?", "gold_ids": ["d1"], "answers": ["王小明"], "answerable": True},
    {"id": "q3", "question": "学院有多少人？", "gold_ids": ["d1"], "answers": ["三千人"], "answerable": True},
    {"id": "q4", "question": "月亮上的温度是多少？", "gold_ids": [], "answers": [], "answerable": False},
)


@pytest.fixture
def folder(tmp_path: Path, cache_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    settings = {"CACHE_DIR": str(cache_dir), "OFFLINE": "true", "CHUNK_SIZE": "60", "CHUNK_OVERLAP": "0"}
    for name, value in {**settings, "DATA_DIR": str(tmp_path / "var")}.items():
        monkeypatch.setenv(f"LARKWISE_{name}", value)
    write(tmp_path / "zh", "corpus.jsonl", *CORPUS)
    write(tmp_path / "zh", "queries.jsonl", *ASKED)
    return tmp_path / "zh"


class InOrder:
    """A search that finds all chunks as they stand in their documents, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, store: KnowledgeStore, question: str) -> Ranking:
        self.asked.append(question)
        documents = sorted(store.documents(), key=lambda one: one.title == "云雀学院")  # the wrong one comes first
        chunks = [chunk for document in documents for chunk in store.chunks_of(document.id)]
        return Ranking(tuple(chunks), 0.9 if "学院" in question else 0.2)


def asked(*arguments: object) -> Result:
    return CliRunner().invoke(commands, ["retrieval", *map(str, arguments)], catch_exceptions=False)


def by_id(records: list[RetrievalRecord]) -> dict[str, RetrievalRecord]:
    return {record.id: record for record in records}


def test_right_chunks_and_documents_are_known_by_their_places(folder: Path) -> None:
    asked_of = FolderSet(folder)
    facts, records = measure(asked_of, asked_of.questions, None, file=None, by=InOrder())
    first, second, third, fourth = records

    assert (facts.chunk_size, facts.collection) == (60, "")
    assert (first.chunk.at, first.chunk.wanted) == ([2], 1)
    assert (first.document.at, first.document.wanted) == ([2], 1)
    assert second.chunk.at == [4]
    assert second.document.at == [2]
    assert (third.chunk.at, third.chunk.wanted, third.document.at) == ([], 0, [2])
    assert (fourth.chunk.wanted, fourth.document.wanted) == (0, 0)
    assert [record.cross_language for record in records] == [False, True, False, False]
    assert first.overlap > second.overlap == 0
    assert len(first.found) == 4


def test_the_first_question_is_asked_once_more_before_time_is_taken(folder: Path) -> None:
    asked_of, search = FolderSet(folder), InOrder()
    measure(asked_of, asked_of.questions, None, file=None, by=search)

    assert search.asked == [ASKED[0]["question"], *(one["question"] for one in ASKED)]


def test_a_run_goes_on_where_it_was(folder: Path, tmp_path: Path) -> None:
    asked_of, file = FolderSet(folder), tmp_path / "found.jsonl"
    measure(asked_of, asked_of.questions, None, file=file, by=InOrder())
    whole = file.read_text(encoding="utf-8")
    file.write_text("\n".join(whole.split("\n")[:3]) + '\n{"id": "q3", "que', encoding="utf-8")

    search = InOrder()
    _, records = measure(asked_of, asked_of.questions, None, file=file, by=search)

    assert search.asked == [ASKED[number]["question"] for number in (2, 2, 3)]
    assert [record.id for record in records] == ["q1", "q2", "q3", "q4"]
    _, written = read(file, RETRIEVAL)
    assert by_id(written) == by_id(records)


def test_what_a_run_ingests_reaches_no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LARKWISE_DATABASE_URL", "postgresql+asyncpg://nobody@db.example/answers")
    monkeypatch.setenv("LARKWISE_MILVUS_URI", "http://milvus.example:19530")

    with place(None) as here:
        assert (here.settings.database_url, here.settings.milvus_uri) == ("", "")
    with place("mine") as here:
        assert here.settings.milvus_uri == "http://milvus.example:19530"


def test_a_collection_that_exists_is_asked_as_it_is(folder: Path, tmp_path: Path) -> None:
    documents = FolderSet(folder).documents(tmp_path)
    ingest_paths(load_settings(), [documents], "mine")
    (folder / "corpus.jsonl").unlink()

    asked_of = FolderSet(folder)
    facts, records = measure(asked_of, asked_of.questions, "mine", file=None, by=InOrder())

    assert (facts.collection, facts.chunk_size) == ("mine", 0)
    assert records[0].chunk.at == [2]


def test_the_real_search_is_reported_as_one_json_object(folder: Path, tmp_path: Path) -> None:
    result = asked("--set", folder, "--json", "--out", tmp_path / "found.jsonl")

    report = json.loads(result.stdout)
    assert result.exit_code == 0
    assert (report["set"], report["n"], report["unanswerable"]) == ("zh", 3, 1)
    assert report["without_gold_chunk"] == {"n": 1, "ids": ["q3"]}
    assert (report["chunk"]["n"], report["document"]["n"], report["cross_language"]["n"]) == (2, 3, 1)
    assert report["chunk"]["recall@10"] == 1  # there are four chunks
    assert report["p50_ms"] <= report["p95_ms"]
    assert "asking" in result.stderr


def test_the_questions_may_be_about_another_corpus(folder: Path, tmp_path: Path) -> None:
    write(tmp_path / "en", "queries.jsonl", ASKED[1])
    shown = asked("--set", tmp_path / "en", "--corpus", folder).stdout

    assert "en: 1 answerable and 0 unanswerable questions" in shown
    assert "| recall@1 of questions in another script than their document |" in shown


def test_a_set_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    result = asked("--set", tmp_path)

    assert result.exit_code == 1
    assert "queries.jsonl" in result.stderr


def report(*records: RetrievalRecord) -> dict[str, Any]:
    return report_of(RETRIEVAL_FACTS, records)


def test_figures_of_chunks_and_documents() -> None:
    first, second = found(1, [1, 3], wanted=2), found(2, [4])
    documents = {"at": [1], "wanted": 1}
    figures = report(first, RetrievalRecord.model_validate(second.model_dump() | {"document": documents}), found(3, []))

    chunk = figures["chunk"]
    assert [chunk[f"recall@{k}"] for k in (1, 3, 5, 10)] == pytest.approx([1 / 3, 1 / 3, 2 / 3, 2 / 3])
    assert chunk["mrr@10"] == pytest.approx((1 + 1 / 4) / 3)
    assert chunk["ndcg@10"] == pytest.approx((1.5 / 1.6309298 + 1 / 2.3219281) / 3)
    assert figures["document"]["recall@1"] == pytest.approx(2 / 3)
    interval = figures["intervals"]["chunk"]["recall@5"]
    assert interval["low"] < 2 / 3 < interval["high"]
    assert interval["n"] == 3


def test_a_question_without_a_gold_chunk_is_named_and_in_no_figure_of_chunks() -> None:
    figures = report(found(1, [1]), found(2, wanted=0))

    assert figures["without_gold_chunk"] == {"n": 1, "ids": ["q02"]}
    assert (figures["n"], figures["chunk"]["recall@1"], figures["document"]["recall@1"]) == (2, 1.0, 0.5)
    assert "no chunk holds the answer of 1 questions, left out above: q02" in table(figures)


def test_the_hard_quarter_shares_least_words_with_its_chunk() -> None:
    overlaps = [0.9, 0.1, 0.5, 0.2, 0.8, 0.7, 0.6, 0.4]
    figures = report(*(found(n, [1] if n == 3 else [2], overlap=overlap) for n, overlap in enumerate(overlaps)))

    assert figures["hard_quartile"] == {"recall@1": 0.5, "n": 2}  # of 0.1 and 0.2


def test_a_quarter_is_rounded_up() -> None:
    assert report(*(found(n, [1]) for n in range(5)))["hard_quartile"]["n"] == 2


def test_questions_that_cross_languages_are_told_where_there_are_any() -> None:
    assert "cross_language" not in report(found(1, [1]))
    assert report(found(1, [2]), found(2, [1], cross_language=True))["cross_language"] == {"recall@1": 1.0, "n": 1}


def test_the_probability_tells_questions_with_an_answer_from_those_without() -> None:
    some = [found(1, [1], probability=0.9), found(2, [], probability=0.4), found(3, wanted=0, probability=0.6)]
    assert report(*some)["answerable_auc"] is None
    assert report(*some, found(4, answerable=False, probability=0.5))["answerable_auc"] == pytest.approx(2 / 3)


def test_times_are_of_all_questions() -> None:
    figures = report(*(found(n, [1], ms=float(n)) for n in range(1, 10)), found(10, answerable=False, ms=10.0))
    assert (figures["p50_ms"], figures["p95_ms"]) == (5.5, 9.55)


def test_nothing_that_can_be_measured_is_no_error() -> None:
    figures = report(found(1, answerable=False))

    assert figures["chunk"]["recall@1"] is figures["hard_quartile"]["recall@1"] is figures["answerable_auc"] is None
    assert "| recall@1 | – | | 0 | – | | 0 |" in table(figures)
