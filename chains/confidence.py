"""How likely it is that the documents answer a question, before and after the model has spoken."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from chains.coefficients import Linear, Pairing, linears, shipped

_DEPTH = 10
_OF_THE_FIRST = (
    "cosine",
    "bm25_of_possible",
    "coverage",
    "title_coverage",
    "sentence_coverage",
    "titled_sentence_coverage",
    "window_coverage",
    "shared_run",
    "character_coverage",
    "kind_in_sentence",
    "kind_in_chunk",
)
_LARGEST = ("cosine", "coverage", "titled_sentence_coverage")


def evidence(numbers: Sequence[Mapping[str, float]], scores: Sequence[float]) -> dict[str, float]:
    """
    What all candidates of a question say together, by name; `numbers` are their matches, `scores` their ranks'.

    Of the first candidate its match; the largest of some numbers; and how far the first leads.
    """
    by_score = sorted(scores, reverse=True)
    first = numbers[scores.index(by_score[0])]
    return {
        **{name: first[name] for name in _OF_THE_FIRST},
        **{f"largest_{name}": max(one[name] for one in numbers) for name in _LARGEST},
        "rank_score": by_score[0],
        "lead": by_score[0] - by_score[min(1, len(by_score) - 1)],
        "lead_of_tenth": by_score[0] - by_score[min(_DEPTH, len(by_score)) - 1],
    }


@dataclass(frozen=True, slots=True)
class Outcome:
    """What is known once an answer is there; its fields are what `Calibration.right` weighs."""

    answerable: float
    """As it was before, 0..1."""
    supported: float
    """The share of the answer's sentences that a quote supports."""
    log_probability: float
    """The mean of the answer's tokens, by the model itself; 0 where it does not say."""
    is_extractive: bool
    refused: bool

    def numbers(self) -> dict[str, float]:
        """By name, for weighing and for whoever wants to know why."""
        return {
            "answerable": self.answerable,
            "log_odds": log_odds(self.answerable),
            "supported": self.supported,
            "log_probability": self.log_probability,
            "extractive": float(self.is_extractive),
        }


@dataclass(frozen=True, slots=True)
class Calibration:
    """
    What turns evidence into probabilities, by logistic regression; the weights are those of `Coefficients`.

    `gates` are two probabilities of an answer: under the first the model is not asked, under the second it may refuse
    and what it says must be supported.
    """

    before: Mapping[Pairing, Linear]
    right: Mapping[Pairing, Linear]
    gates: Mapping[Pairing, tuple[float, float]]

    @classmethod
    def from_json(cls, text: str) -> Calibration:
        """As `to_json` wrote it."""
        found = json.loads(text)
        gates: dict[Pairing, tuple[float, float]] = {name: (pair[0], pair[1]) for name, pair in found["gates"].items()}
        return cls(linears(found["answerable"]), linears(found["right"]), gates)

    def to_json(self) -> str:
        """For a collection's manifest."""
        return json.dumps(
            {
                "answerable": {name: dict(one.weights) for name, one in self.before.items()},
                "right": {name: dict(one.weights) for name, one in self.right.items()},
                "gates": self.gates,
            }
        )

    def answerable(self, seen: Mapping[str, float], pairing: Pairing) -> float:
        """The probability that the documents hold the answer, 0..1."""
        return probability(self.before[pairing].of(seen))

    def confidence(self, outcome: Outcome, pairing: Pairing) -> float:
        """Of an answer, the probability that it is right; of a refusal, that the documents hold an answer; 0..1."""
        if outcome.refused:
            return outcome.answerable
        return probability(self.right[pairing].of(outcome.numbers()))


def probability(odds: float) -> float:
    """Of log-odds; 0..1, without overflow."""
    return 1 / (1 + math.exp(-max(-50.0, min(50.0, odds))))


def log_odds(chance: float) -> float:
    """Of a probability; at most 8 in size, so that certainty weighs no more than a thousand to one and some."""
    kept = min(max(chance, 3.4e-4), 1 - 3.4e-4)
    return math.log(kept / (1 - kept))


def shipped_calibration() -> Calibration:
    """Fitted on questions about encyclopedia articles in Chinese and English, and on the example handbook's."""
    found = shipped()
    return Calibration(found.answerable, found.right, found.gates)
