from __future__ import annotations

import math
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.stores.faiss import FaissStore
from ingest.stores.keywords import K1, B
from ingest.stores.terms import term_keys
from tests.ingest.fakes import HashEmbeddings

TEXTS = [
    "The gateway restarts when its battery is low.",
    "Batteries are charged at night. A battery lasts two years.",
    "年假为每年十五天，病假需要证明。",
    "产假和年假可以一起休。The annual leave is 15 days.",
    "Nothing of the kind.",
]


def store_in(folder: Path) -> FaissStore:
    return FaissStore(folder, HashEmbeddings(), embedding_name="hash")


def terms(text: str) -> list[int]:
    return [int(key) for key in term_keys(text)]


def bm25(question: str, texts: list[str]) -> list[float]:
    """The formula, written down once more."""
    counted = [Counter(terms(text)) for text in texts]
    average = sum(map(len, map(terms, texts))) / len(texts)
    scores = []
    for counts in counted:
        length, score = sum(counts.values()), 0.0
        for term in set(terms(question)):
            frequency = sum(term in others for others in counted)
            weight = math.log(1 + (len(texts) - frequency + 0.5) / (frequency + 0.5))
            score += weight * counts[term] * (K1 + 1) / (counts[term] + K1 * (1 - B + B * length / average))
        scores.append(score)
    return scores


@pytest.mark.parametrize(
    "question", ["battery", "How long is 年假?", "病假证明", "annual leave", "gateway 年假 battery"]
)
@pytest.mark.parametrize("pieces", [1, 5])
def test_scores_are_those_of_bm25_however_many_segments_there_are(tmp_path: Path, question: str, pieces: int) -> None:
    store = store_in(tmp_path)
    for start in range(0, len(TEXTS), -(-len(TEXTS) // pieces)):
        some = range(start, min(start + -(-len(TEXTS) // pieces), len(TEXTS)))
        store.add_texts([TEXTS[n] for n in some], ids=[str(n) for n in some])
    expected = {str(n): score for n, score in enumerate(bm25(question, TEXTS)) if score > 0}
    found = {str(chunk.id): score for chunk, score in store.keyword_search(question, 9)}
    assert found == pytest.approx(expected, rel=1e-4)


def test_deleted_chunks_no_longer_count(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    store.add_texts(TEXTS, ids=[str(n) for n in range(len(TEXTS))])
    store.delete(["1", "3"])
    rest = [TEXTS[n] for n in (0, 2, 4)]
    expected = [score for score in bm25("battery 年假", rest) if score > 0]
    assert sorted(score for _, score in store.keyword_search("battery 年假", 9)) == pytest.approx(sorted(expected))


def test_titles_and_headings_are_found_too(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    store.add_texts(["It is 42."], [{"title": "Power consumption", "headings": "Router > Idle"}])
    assert store.keyword_search("router power", 1)[0][0].page_content == "It is 42."


def test_a_question_without_words_finds_nothing(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    assert store.keyword_search("battery", 3) == []
    store.add_texts(TEXTS)
    assert store.keyword_search("？！ the of", 3) == []


def test_words_are_stemmed_widths_and_cases_do_not_matter_and_chinese_is_pairs() -> None:
    assert set(terms("Batteries")) == set(terms("ＢＡＴＴＥＲＹ"))
    assert len(terms("年假天")) == 3 + 2
    assert set(terms("年假")) < set(terms("休年假"))
    assert not set(terms("假年")) >= set(terms("年假"))


@given(st.text(max_size=60))
def test_any_text_has_terms_or_none(text: str) -> None:
    assert len(term_keys(text)) >= 0
