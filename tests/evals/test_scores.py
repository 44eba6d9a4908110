"""Scores of answers, and how sure a figure is."""

from __future__ import annotations

import pytest

from evals.intervals import mcnemar, mean, mean_upper_bound, paired_loss_upper_bound, share
from evals.scores import score, tokens


def test_an_answer_holds_a_gold_string_whatever_its_case_spaces_and_marks() -> None:
    assert score("The bandwidth is 864 GB/s [1].", ["864gb/s"]).contains
    assert score("清华大学的前身是清华学堂[1]。", ["「清华学堂」"]).contains
    assert not score("It is 865 GB/s.", ["864 GB/s"]).contains


def test_one_of_several_gold_strings_is_enough() -> None:
    assert score("in 1985", ["eighty-five", "1985"]).contains


def test_an_exact_answer_is_the_gold_string_and_nothing_else() -> None:
    assert score("Paris. [2]", ["paris"]).exact
    assert not score("It is Paris.", ["Paris"]).exact


def test_f1_counts_words_and_chinese_characters() -> None:
    assert score("the red fox", ["red fox"]).f1 == pytest.approx(0.8)
    assert score("北京大学", ["北京"]).f1 == pytest.approx(2 / 3)
    assert score("nothing in common", ["北京"]).f1 == 0


def test_the_best_gold_string_counts() -> None:
    assert score("red fox", ["blue", "red fox"]).f1 == 1


def test_no_answer_scores_nothing() -> None:
    nothing = score("", ["x"])
    assert (nothing.contains, nothing.exact, nothing.f1) == (False, False, 0.0)


def test_tokens_are_words_numbers_and_chinese_characters() -> None:
    assert tokens("LC-200 有 864.5 GB/s！") == ["lc", "200", "有", "864.5", "gb", "s"]


def test_wilsons_interval() -> None:
    ten = share([True] * 5 + [False] * 5)
    assert (ten.value, ten.n) == (0.5, 10)
    assert ten.low == pytest.approx(0.2366, abs=1e-4)
    assert ten.high == pytest.approx(0.7634, abs=1e-4)


def test_it_is_not_empty_where_all_are_right() -> None:
    assert share([True] * 20).low == pytest.approx(0.8389, abs=1e-4)


def test_nothing_has_no_interval() -> None:
    assert share([]).value is None
    assert mean([]).n == 0


def test_the_bootstrap_covers_the_mean() -> None:
    estimate = mean([float(n % 10) for n in range(200)])
    assert estimate.low is not None
    assert estimate.high is not None
    assert estimate.low < 4.5 < estimate.high
    assert estimate.high - estimate.low == pytest.approx(2 * 1.96 * 2.88 / 200**0.5, rel=0.15)


def test_the_bootstraps_one_sided_bound() -> None:
    values = [float(n % 10) for n in range(200)]
    assert mean_upper_bound(values) == pytest.approx(4.5 + 1.645 * 2.88 / 200**0.5, rel=0.05)


def test_the_bound_of_the_loss_is_not_zero_where_no_answer_differs() -> None:
    z = 1.644854
    assert paired_loss_upper_bound(0, 0, 200) == pytest.approx(z * z / (200 + z * z), abs=1e-6)


def test_it_is_close_to_walds_where_many_differ() -> None:
    lost, won, n = 120, 80, 2000
    wald = (lost - won) / n + 1.645 * ((lost + won - (lost - won) ** 2 / n) / n**2) ** 0.5
    assert paired_loss_upper_bound(lost, won, n) == pytest.approx(wald, abs=5e-4)


def test_more_questions_make_it_tighter() -> None:
    assert paired_loss_upper_bound(2, 2, 400) < paired_loss_upper_bound(1, 1, 200)


def test_mcnemars_exact_probability() -> None:
    assert mcnemar(0, 0) == 1
    assert mcnemar(5, 0) == pytest.approx(2 / 32)
    assert mcnemar(3, 3) == 1
    assert mcnemar(8, 2) == pytest.approx(0.109375)
    assert 0 < mcnemar(1200, 1000) < 0.001
