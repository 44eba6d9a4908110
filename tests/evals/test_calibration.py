"""Whether confidences come true, worked out by hand."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from evals.calibration import Bin, bins, check_plots, ece, reliability_png
from evals.errors import PlotUnavailable


def test_ten_bins_of_the_same_width() -> None:
    found = bins([0.05, 0.95, 0.99, 1.0], [False, True, True, False])

    assert found[0] == Bin(low=0.0, high=0.1, n=1, confidence=0.05, came_true=0.0)
    assert (found[1].low, found[1].high, found[1].n) == (0.9, 1.0, 3)
    assert found[1].confidence == pytest.approx(0.98)
    assert found[1].came_true == pytest.approx(2 / 3)


def test_a_confidence_on_a_border_is_in_the_upper_bin() -> None:
    assert [one.low for one in bins([0.1, 0.3, 0.7], [True] * 3)] == [0.1, 0.3, 0.7]


def test_the_error_is_the_mean_gap_by_bin() -> None:
    confidences = [0.8, 0.8, 0.8, 0.8, 0.25]
    outcomes = [True, True, True, False, False]
    assert ece(confidences, outcomes) == pytest.approx((4 * 0.05 + 1 * 0.25) / 5)


def test_confidences_that_come_true_have_no_error() -> None:
    assert ece([0.0, 1.0, 0.5, 0.5], [False, True, True, False]) == 0


def test_nothing_has_no_error() -> None:
    assert ece([], []) is None


def test_a_confidence_is_a_probability() -> None:
    with pytest.raises(ValueError, match=r"0\.\.1"):
        bins([1.2], [True])


def test_each_confidence_has_an_outcome() -> None:
    with pytest.raises(ValueError, match="zip"):
        bins([0.5], [])


def test_the_diagram_is_a_png(tmp_path: Path) -> None:
    file = tmp_path / "plots" / "reliability.png"
    reliability_png(file, [0.1, 0.9, 0.9], [False, True, False], "rag on zh")

    assert file.read_bytes().startswith(b"\x89PNG")


def test_without_matplotlib_it_is_told_before_questions_are_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)

    with pytest.raises(PlotUnavailable, match="pip install matplotlib"):
        check_plots()
