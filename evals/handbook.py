"""The example knowledge base's questions: read them, and measure how well a collection answers them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel

HANDBOOK = Path(__file__).parent.parent / "examples" / "handbook"


class LabelledQuestion(BaseModel):
    """A line of questions.jsonl; `answers` are strings that a right answer holds one of."""

    id: str
    language: str
    question: str
    answerable: bool
    answers: list[str]
    sources: list[str]


def questions(path: Path = HANDBOOK / "questions.jsonl") -> list[LabelledQuestion]:
    """All labelled questions of a file."""
    return [LabelledQuestion(**json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]


def auc(positive: Sequence[float], negative: Sequence[float]) -> float:
    """
    The probability that a positive is ranked above a negative, ties counting half (the area under the ROC curve;
    Hanley and McNeil, 1982).
    """
    pairs = [(p > n) + 0.5 * (p == n) for p in positive for n in negative]
    return sum(pairs) / len(pairs)


def source_found(question: LabelledQuestion, sources: Sequence[dict[str, Any]]) -> bool:
    """Whether one of the answer's documents is among the sources."""
    return any(source["metadata"]["source"] in question.sources for source in sources)


def text_found(question: LabelledQuestion, text: str) -> bool:
    """Whether one of the expected answers stands in a text; spaces do not count."""
    plain = _plain(text)
    return any(_plain(answer) in plain for answer in question.answers)


def _plain(text: str) -> str:
    return "".join(text.lower().split())
