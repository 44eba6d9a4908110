"""
Learn the coefficients that larkwise ships with: `python -m evals.train SET [SET:CORPUS] … [--answers FILE] [--write]`.

A set is a folder as `evals.sets.FolderSet` reads it; after a colon comes another folder whose documents are asked.
`--answers` are files of `larkwise eval answers --out`, from which it is learned when an answer is right. Prints what
cross-validation by document says, and with `--write` makes chains/coefficients.json anew.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from chains.coefficients import BIAS, FILE, PAIRINGS, Linear, Pairing
from evals.examples import Example, examples_of
from evals.fitting import fit_gate, fit_ranking, gates, rank_of_right, unseen_probabilities
from evals.handbook import auc
from evals.outcomes import fit_right, fit_written
from evals.places import place
from evals.records import ANSWERS, Record
from evals.runs import read
from evals.sets import FolderSet, sample

FALSE_ANSWERS: Mapping[Pairing, tuple[float, float]] = {"zh": (0.15, 0.05), "en": (0.22, 0.12), "cross": (0.3, 0.1)}
"""
Of the questions without an answer: so many come before the model, and so many are such that it must not refuse them.

English ones are nearer to the documents than Chinese ones, and across languages the two kinds are hard to tell apart:
there more is left to the model and to the check of its answer.
"""
_STRANGERS = 600
"""Questions that are enough where none is about the documents."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sets", nargs="+", metavar="SET[:CORPUS]")
    parser.add_argument("--answers", nargs="*", default=[], type=Path, metavar="FILE")
    parser.add_argument("--write", action="store_true", help="make chains/coefficients.json anew")
    options = parser.parse_args()
    learned = learn([one for given in options.sets for one in _examples(given)])
    records = [record for file in options.answers for record in read(file, ANSWERS)[1]]
    found = {**learned, "right": _right(records)}
    if options.write:
        FILE.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
        print(f"written: {FILE}")


def learn(examples: Sequence[Example]) -> dict[str, dict[Pairing, object]]:
    """`ranking`, `answerable` and `gates` of chains/coefficients.json; prints how good they are."""
    found: dict[str, dict[Pairing, object]] = {"ranking": {}, "answerable": {}, "gates": {}}
    for pairing in PAIRINGS:
        here = [one for one in examples if one.pairing == pairing]
        unseen = unseen_probabilities(here)
        _report(pairing, unseen)
        ranker = fit_ranking(here)
        found["ranking"][pairing] = ranker.weights
        found["answerable"][pairing] = fit_gate(here, ranker).weights
        labels, chances = [one.answerable for one, *_ in unseen], [chance for *_, chance in unseen]
        found["gates"][pairing] = gates(chances, labels, FALSE_ANSWERS[pairing])
        _report_gates(chances, labels, FALSE_ANSWERS[pairing])
    return found


def _examples(given: str) -> list[Example]:
    folder, _, corpus = given.partition(":")
    asked_of = FolderSet(Path(folder), Path(corpus) if corpus else None)
    with place(None) as here:
        here.fill(asked_of)
        with here.store() as store:
            about = {asked_of.document_of(source.name) for one in store.documents() for source in one.sources}
            strangers = not any(set(one.documents) & about for one in asked_of.questions)
            questions = sample(asked_of.questions, _STRANGERS if strangers else None)
            return examples_of(store, asked_of, questions)


def _right(records: Sequence[Record]) -> Mapping[Pairing, Mapping[str, float]]:
    """Of pairings without enough answers, what all written answers together say."""
    found = fit_right(records)
    together = fit_written(records) or Linear({BIAS: 0.0, "log_odds": 1.0})
    return {pairing: found.get(pairing, together).weights for pairing in PAIRINGS}


def _report(pairing: Pairing, unseen: Sequence[tuple[Example, Linear, float]]) -> None:
    """On documents that the weights were not learned from."""
    ranks = [rank_of_right(one, ranker) for one, ranker, _ in unseen if one.answerable]
    within = {k: sum(rank is not None and rank < k for rank in ranks) / len(ranks) for k in (1, 5, 10)}
    print(f"{pairing}: {len(ranks)} questions, " + ", ".join(f"recall@{k} {share:.4f}" for k, share in within.items()))


def _report_gates(chances: Sequence[float], labels: Sequence[bool], false_answers: tuple[float, float]) -> None:
    answered = [chance for chance, label in zip(chances, labels, strict=True) if label]
    unanswered = [chance for chance, label in zip(chances, labels, strict=True) if not label]
    low, high = gates(chances, labels, false_answers)
    below = [sum(chance < gate for chance in answered) / len(answered) for gate in (low, high)]
    print(f"  answerable or not: AUC {auc(answered, unanswered):.4f} ({len(unanswered)} without an answer)")
    print(f"  gates {low:.3f} and {high:.3f}: {below[0]:.3f} and {below[1]:.3f} of the answerable lie below")


if __name__ == "__main__":
    main()
