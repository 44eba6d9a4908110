"""The example knowledge base as a regression set; no language model is needed for this."""

from __future__ import annotations

from pathlib import Path

import pytest

from chains.retrieval import Retrieved, retrieve
from evals.handbook import HANDBOOK, LabelledQuestion, auc, questions, text_found
from ingest.collections import Collections, EmbeddingModel
from ingest.embedding import EmbedHere
from ingest.files import list_files
from ingest.loaders.table import load
from ingest.pipeline import IngestOptions, ingest
from models.embeddings import EMBEDDED, EmbeddedEncoder

Results = list[tuple[LabelledQuestion, Retrieved]]
_SHOWN = 3


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    collections = Collections(tmp_path_factory.mktemp("c"), EmbeddingModel(EmbeddedEncoder(), EMBEDDED))
    store = collections.create("handbook")
    report = ingest(
        store, list_files([HANDBOOK]).listing(), IngestOptions(), EmbedHere(store.embeddings), progress=lambda *_: None
    )
    assert report.failed == ()
    return [(one, retrieve(store, one.question)) for one in questions()]


def test_there_are_sixty_questions_in_two_languages_and_fifteen_without_an_answer() -> None:
    asked = questions()
    assert len({one.id for one in asked}) == 60
    assert [sum(one.language == language for one in asked) for language in ("zh", "en")] == [30, 30]
    assert sum(not one.answerable for one in asked) == 15


def test_every_expected_answer_stands_in_its_document() -> None:
    for one in questions():
        for source in one.sources:
            path = HANDBOOK / source
            text = "\n".join(section.page_content for section in load(path.read_bytes(), path.name))
            assert text_found(one, text), one.id


def test_the_labelled_questions_are_no_document_of_the_handbook() -> None:
    assert "questions.jsonl" not in [file.source for file in list_files([HANDBOOK]).files]


def test_the_passage_with_the_answer_is_among_the_sources(results: Results) -> None:
    hits = [
        text_found(one, " ".join(chunk.document.page_content for chunk in retrieved.found[:_SHOWN]))
        for one, retrieved in results
        if one.answerable
    ]
    assert sum(hits) >= 43


def test_confidence_separates_questions_with_an_answer_from_those_without(results: Results) -> None:
    scores = {True: [], False: []}  # type: dict[bool, list[float]]
    for one, retrieved in results:
        scores[one.answerable].append(retrieved.answerable)
    assert auc(scores[True], scores[False]) >= 0.9


def test_auc_counts_pairs() -> None:
    assert auc([0.9, 0.8], [0.1, 0.8]) == pytest.approx(0.875)


def test_the_handbook_has_markdown_text_html_and_pdf_in_both_languages() -> None:
    kinds = {(path.parent.name, path.suffix) for path in HANDBOOK.rglob("*") if path.is_file()}
    for language in ("zh", "en"):
        assert {(language, ".md"), (language, ".html"), (language, ".pdf")} <= kinds
    assert not Path(HANDBOOK / "README.md").exists()
