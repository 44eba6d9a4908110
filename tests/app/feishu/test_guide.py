"""What people copy out of the guides."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[3] / "docs"
GUIDES = ("feishu.md", "feishu.zh-CN.md")


@pytest.mark.parametrize("name", GUIDES)
def test_the_json_of_a_guide_can_be_pasted_as_it_is(name: str) -> None:
    blocks = re.findall(r"^```json\n(.*?)^```", (DOCS / name).read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    assert blocks
    for block in blocks:
        json.loads(block)
