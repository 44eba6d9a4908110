from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from chains.language import language_of, numbers, terms


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("工作温度是多少？", "zh"),
        ("LC-200 的 INT8 算力是多少？", "zh"),
        ("如何用 docker compose 启动？", "zh"),
        ("What does 云雀 mean?", "en"),
        ("How long is the warranty?", "en"),
        ("42?", "en"),
    ],
)
def test_the_language_of_a_question(text: str, language: str) -> None:
    assert language_of(text) == language


def test_english_terms_are_stems_without_function_words() -> None:
    assert terms("What are the returned cards?") == terms("a card, returning")


def test_chinese_terms_are_pairs_without_question_words() -> None:
    assert terms("年假有几天？") & terms("员工享有年假")
    assert not terms("什么是的？")


def test_a_model_name_counts_as_a_whole_and_in_its_parts() -> None:
    assert {"lc-200", "lc", "200"} <= terms("LC-200")


def test_numbers_are_compared_as_people_write_them() -> None:
    assert numbers("1,600 dollars and 3.5 %") == {"1600", "3.5"}
    assert numbers("error E1203, LC-200") == frozenset()


def test_many_threads_find_the_same_stems() -> None:
    texts = [" ".join(f"{stem}{n}ingly {stem}ation" for stem in ("walk", "organiz", "connect")) for n in range(400)]
    terms.cache_clear()
    alone = [terms(text) for text in texts]
    terms.cache_clear()

    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(terms, texts))

    assert together == alone
