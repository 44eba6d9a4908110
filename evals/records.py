"""Answers to labelled questions, as `larkwise eval answers --out` writes them."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from chains.coefficients import Pairing
from evals.runs import Facts, Kind, Line


class Quoted(BaseModel):
    """A sentence of an answer and the quote that it cites; `supported` as `evals.support.judge` sees it."""

    model_config = ConfigDict(frozen=True)

    sentence: str
    quote: str
    supported: bool


class RunFacts(Facts):
    """What answers depend on."""

    kind: Literal["answers"] = "answers"
    chain: str
    provider: str
    model: str
    quantization: str


class Record(Line):
    """One answer, and what should have been answered; `contains`, `exact` and `f1` as `evals.scores.Score`."""

    question: str
    answerable: bool
    golds: list[str]
    answer: str
    refused: bool
    contains: bool
    exact: bool
    f1: float
    confidence: float
    retrieved: bool
    """A source that was shown is right: it comes from a gold document and contains an expected string."""
    pairing: Pairing | None
    """Of the question and the best source; None where there is no source."""
    signals: dict[str, float]
    """What the chain's confidence is made of; empty where it does not say."""
    quotes: list[Quoted] = Field(default_factory=list)
    """Of the sentences that carry a mark; what an earlier version wrote has none."""
    citations: int
    citations_right: int
    """Those of a gold document."""
    seconds: float

    @property
    def right(self) -> bool:
        """It says what it should, or refuses what the documents do not answer."""
        return self.contains if self.answerable else self.refused

    @property
    def came_true(self) -> bool:
        """
        What `confidence` is the probability of.

        Of an answer: that it is right. Of a refusal: that the documents do answer the question, so a refusal that says
        5 % should be of questions that have an answer in one case of twenty.
        """
        return self.answerable if self.refused else self.answerable and self.contains


ANSWERS = Kind("answers", RunFacts, Record)
