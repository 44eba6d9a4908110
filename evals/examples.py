"""Labelled questions with what retrieval knows of their candidates: what the coefficients are learned from."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.cli_terminal import progress_bar
from chains.coefficients import Linear, Pairing
from chains.confidence import evidence
from chains.matching import NAMES, as_numbers, matches
from chains.retrieval import candidates_by_pairing
from evals.golds import Golds, is_right
from evals.sets import Question, QuestionSet
from ingest.stores.port import KnowledgeStore

Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Example:
    """One question and its candidates of one pairing: `numbers` (candidates, `NAMES`), `right` which of them answer."""

    pairing: Pairing
    document: str
    """Its gold document, or its own name: what cross-validation must not split."""
    answerable: bool
    numbers: Numbers
    right: NDArray[np.bool_]

    def matches(self) -> list[dict[str, float]]:
        """Each candidate's numbers by name."""
        return [dict(zip(NAMES, row, strict=True)) for row in self.numbers.tolist()]

    def evidence(self, ranker: Linear) -> dict[str, float]:
        """What they say together, ranked so."""
        found = self.matches()
        return evidence(found, [ranker.of(one) for one in found])


def examples_of(store: KnowledgeStore, asked_of: QuestionSet, questions: Sequence[Question]) -> list[Example]:
    """One for each question and each script among its candidates; questions that splitting took the answer of, none."""
    golds = Golds(store, asked_of)
    examples: list[Example] = []
    with progress_bar() as progress:
        for number, question in enumerate(questions, start=1):
            if labelled := _as_of_here(golds, question):
                examples += _examples(store, asked_of, labelled)
            progress("asking", number, len(questions))
    return examples


def _as_of_here(golds: Golds, question: Question) -> Question | None:
    """Not answerable where its documents are not here; None where no chunk holds an answer although they are."""
    gold = golds.of(question)
    if not gold.document_ids:
        return dataclasses.replace(question, answerable=False)
    return question if gold.chunks else None


def _examples(store: KnowledgeStore, asked_of: QuestionSet, question: Question) -> list[Example]:
    asked, groups = candidates_by_pairing(store, question.question)
    name = question.documents[0] if question.documents else question.id
    right = {
        pairing: [is_right(one.document.page_content, one.document.metadata, question, asked_of) for one in candidates]
        for pairing, candidates in groups.items()
    }
    return [
        Example(
            pairing=pairing,
            document=name,
            answerable=question.answerable and not any(any(right[other]) for other in groups if other != pairing),
            numbers=np.array([list(as_numbers(match).values()) for match in matches(asked, candidates)]),
            right=np.array(right[pairing]),
        )
        for pairing, candidates in groups.items()
    ]
