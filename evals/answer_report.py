"""From answers to the figures that `larkwise eval answers` prints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from evals.asking import Failure
from evals.calibration import ece
from evals.handbook import auc
from evals.intervals import Estimate, mean, share
from evals.records import Record, RunFacts
from evals.support import Judged, show


@dataclass(frozen=True, slots=True)
class Asked:
    """Everything that a report is made of."""

    facts: RunFacts
    records: tuple[Record, ...]
    failures: tuple[Failure, ...]
    seconds: float
    """Of this run alone, where it went on from an earlier one."""
    answered_now: int


def report_of(asked: Asked) -> dict[str, Any]:
    """
    Plain JSON types; what there is nothing to take of is None. `n` counts all questions that an answer came for.

    Of answerable ones: `exact_match`, `f1`, `contains`, `refused_answerable`; and `answered_of_retrieved`, the share
    answered where a source that was shown is right. `refusal.precision` is the share of refused questions that are
    unanswerable, `refusal.recall` of unanswerable ones that are refused, `refusal.auc` how well the confidence tells
    the two kinds apart; `false_answers` of unanswerable ones that are answered. `citation.precision` is the share of
    citations in answers to answerable questions that are of a gold document, `citation.recall` of these answers that
    have one such, `citation.supported` the share of cited sentences whose quote `evals.support` accepts. `ece` is of
    the confidence against `Record.came_true`, `right` as `Record.right`. Intervals take citations as independent.
    `answer_characters` is a mean.
    """
    figures = _figures(asked.records)
    value = {name: figure.value for name, figure in figures.items()}
    return {
        **asked.facts.model_dump(),
        "n": len(asked.records),
        "answerable": sum(one.answerable for one in asked.records),
        "failed": len(asked.failures),
        **{name: value[name] for name in ("exact_match", "f1", "contains", "right", "refused_answerable")},
        "refusal": {
            "precision": value["refusal_precision"],
            "recall": value["refusal_recall"],
            "auc": _auc(asked.records),
        },
        "false_answers": value["false_answers"],
        "answered_of_retrieved": value["answered_of_retrieved"],
        "citation": {
            "precision": value["citation_precision"],
            "recall": value["citation_recall"],
            "supported": value["citation_supported"],
        },
        "ece": ece([one.confidence for one in asked.records], [one.came_true for one in asked.records]),
        "answer_characters": value["answer_characters"],
        "intervals": {name: asdict(figure) for name, figure in figures.items()},
        "seconds": round(asked.seconds, 1),
        "seconds_per_question": round(asked.seconds / asked.answered_now, 2) if asked.answered_now else None,
    }


def table(report: dict[str, Any]) -> str:
    """For a person."""
    model = f"{report['model']} ({report['provider']}, quantization {report['quantization']})"
    rows = [
        f"{report['set']}: {report['n']} questions, {report['chain']} with {model}",
        "",
        "| what | mean | 95 % | n |",
        "|---|---|---|---|",
    ]
    for name, title in _TITLES.items():
        figure = report["intervals"][name]
        if figure["n"]:
            digits = 0 if name == "answer_characters" else 3
            interval = f"{figure['low']:.{digits}f}..{figure['high']:.{digits}f}"
            rows.append(f"| {title} | {figure['value']:.{digits}f} | {interval} | {figure['n']} |")
    if report["refusal"]["auc"] is not None:
        rows.append(f"| AUC of confidence, answerable or not | {report['refusal']['auc']:.3f} | | {report['n']} |")
    if report["ece"] is not None:
        rows.append(f"| expected calibration error of confidence | {report['ece']:.3f} | | {report['n']} |")
    return "\n".join(rows)


def sample_of_quotes(records: Sequence[Record], n: int) -> str:
    """Cited sentences with their quotes, for a person to read."""
    return show(
        [
            Judged(one.question, quote.sentence, quote.quote, quote.supported)
            for one in records
            if not one.refused
            for quote in one.quotes
        ],
        n,
    )


_TITLES = {
    "contains": "answerable: holds an expected string",
    "exact_match": "answerable: is the expected string",
    "f1": "answerable: F1 of tokens",
    "refused_answerable": "answerable: refused",
    "answered_of_retrieved": "answerable, right chunk shown: answered",
    "refusal_recall": "unanswerable: refused",
    "false_answers": "unanswerable: answered",
    "refusal_precision": "refused: unanswerable",
    "right": "all: right answer or right refusal",
    "citation_precision": "citations: of a right document",
    "citation_recall": "answers to answerable: cite a right document",
    "citation_supported": "cited sentences: supported by their quote (rough)",
    "answer_characters": "answers: characters",
}


def _figures(records: Sequence[Record]) -> dict[str, Estimate]:
    answerable = [one for one in records if one.answerable]
    unanswerable = [one for one in records if not one.answerable]
    refused = [one for one in records if one.refused]
    answers = [one for one in records if not one.refused]
    supported = [one for one in answers if one.answerable]
    return {
        "exact_match": share([one.exact for one in answerable]),
        "f1": mean([one.f1 for one in answerable]),
        "contains": share([one.contains for one in answerable]),
        "right": share([one.right for one in records]),
        "refused_answerable": share([one.refused for one in answerable]),
        "refusal_precision": share([not one.answerable for one in refused]),
        "refusal_recall": share([one.refused for one in unanswerable]),
        "false_answers": share([not one.refused for one in unanswerable]),
        "answered_of_retrieved": share([not one.refused for one in answerable if one.retrieved]),
        "citation_precision": share([right for one in supported for right in _citations(one)]),
        "citation_recall": share([one.citations_right > 0 for one in supported]),
        "citation_supported": share([quote.supported for one in answers for quote in one.quotes]),
        "answer_characters": mean([len(one.answer) for one in answers]),
    }


def _citations(record: Record) -> list[bool]:
    """Each of them: is it of a gold document."""
    return [number < record.citations_right for number in range(record.citations)]


def _auc(records: Sequence[Record]) -> float | None:
    answerable = [one.confidence for one in records if one.answerable]
    unanswerable = [one.confidence for one in records if not one.answerable]
    return auc(answerable, unanswerable) if answerable and unanswerable else None
