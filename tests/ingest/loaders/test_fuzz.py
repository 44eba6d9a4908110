"""Whatever happens to a file: it is read, or a DocumentError says why not, within bounds."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest.errors import DocumentError
from ingest.loaders import ocr
from ingest.loaders.table import PARSERS, read
from tests.ingest.loaders.fuzzing import PACKED, damaged, damaged_inside, sample, sample_names

_SECONDS = 20.0
"""Far more than any sample takes on a busy machine, far less than a bomb would."""

fuzz = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


@pytest.fixture(autouse=True, scope="module")
def _without_the_engine() -> Iterator[None]:
    """Pictures are opened and pages drawn; what the engine would make of each takes a second."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ocr, "recognise", lambda _image: "text")
        yield


def read_or_refused(data: bytes, name: str) -> None:
    began = time.monotonic()
    with contextlib.suppress(DocumentError):
        loaded = read(data, name)
        assert all(section.page_content.strip() and section.metadata["title"] for section in loaded.sections)
        for section in loaded.sections:
            section.page_content.encode()
        assert all(refused.path and refused.reason for refused in loaded.failed)
    assert time.monotonic() - began < _SECONDS


@pytest.mark.parametrize("name", sample_names())
@given(draw=st.data())
@fuzz
def test_a_damaged_file_is_read_or_refused(name: str, draw: st.DataObject) -> None:
    read_or_refused(draw.draw(damaged(sample(name))), name)


@pytest.mark.parametrize("name", [name for name in sample_names() if name.endswith(PACKED) and "locked" not in name])
@given(draw=st.data())
@fuzz
def test_a_file_with_a_damaged_part_is_read_or_refused(name: str, draw: st.DataObject) -> None:
    read_or_refused(draw.draw(damaged_inside(sample(name))), name)


@given(data=st.binary(max_size=2000), suffix=st.sampled_from(sorted(PARSERS)))
@settings(max_examples=150, deadline=None)
def test_any_bytes_under_any_ending_are_read_or_refused(data: bytes, suffix: str) -> None:
    read_or_refused(data, "fuzz" + suffix)


@given(
    text=st.text(alphabet="#`~-=|>*[]{}()<>\"'\\/,:;.\n\t aA1中。", max_size=400),
    suffix=st.sampled_from(sorted(PARSERS)),
)
@settings(max_examples=150, deadline=None)
def test_any_marks_under_any_ending_are_read_or_refused(text: str, suffix: str) -> None:
    read_or_refused(text.encode(), "fuzz" + suffix)
