"""From what was found to the figures that `larkwise eval retrieval` prints."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any, TypeAlias

import numpy as np

from evals.handbook import auc
from evals.intervals import Estimate, share
from evals.ranks import CUTS, TOP, Ranks
from evals.retrieval_records import RetrievalFacts, RetrievalRecord

_Level: TypeAlias = Callable[[RetrievalRecord], Ranks]


def report_of(facts: RetrievalFacts, records: Sequence[RetrievalRecord]) -> dict[str, Any]:
    """
    Plain JSON types; what there is nothing to take of is None.

    `n` counts answerable questions. `recall@k` is the share of them with any right one among the first k chunks: for
    `chunk` one of a gold document that contains an answer, for `document` any of a gold document. nDCG@10 gains 1 for
    each right chunk, or for a gold document's first; the ideal is min(10, as many as the collection has). Questions
    `without_gold_chunk` (the splitter cut through every answer, or the document is not there) are in no figure of
    chunks. `hard_quartile` is the quarter of the others, rounded up, whose best gold chunk has least of the question's
    terms; `cross_language` those whose documents are all in another script. Times are of the search alone, the
    question's embedding included.
    """
    answerable = [one for one in records if one.answerable]
    unanswerable = [one for one in records if not one.answerable]
    measured = [one for one in answerable if one.chunk.wanted]
    without = [one.id for one in answerable if not one.chunk.wanted]
    hard = _hardest(measured)
    other = [one for one in measured if one.cross_language]
    return {
        **facts.model_dump(),
        "n": len(answerable),
        "unanswerable": len(unanswerable),
        "chunk": _figures(measured, _chunk),
        "document": _figures(answerable, _document),
        "hard_quartile": _first(hard),
        **({"cross_language": _first(other)} if other else {}),
        "answerable_auc": _auc(answerable, unanswerable),
        "p50_ms": _percentile(records, 50),
        "p95_ms": _percentile(records, 95),
        "without_gold_chunk": {"n": len(without), "ids": without},
        "intervals": {
            "chunk": _intervals(measured, _chunk),
            "document": _intervals(answerable, _document),
            "hard_quartile": {"recall@1": asdict(_recall(hard, _chunk, 1))},
            **({"cross_language": {"recall@1": asdict(_recall(other, _chunk, 1))}} if other else {}),
        },
    }


def table(report: dict[str, Any]) -> str:
    """For a person."""
    what = report["collection"] or f"chunks of {report['chunk_size']} characters, {report['chunk_overlap']} shared"
    asked = f"{report['n']} answerable and {report['unanswerable']} unanswerable questions"
    rows = [
        f"{report['set']}: {asked}, {report['embedding']} on {report['vector_store']}, {what}",
        "",
        "| | right chunk | 95 % | n | right document | 95 % | n |",
        "|---|---|---|---|---|---|---|",
        *(_row(report, f"recall@{k}") for k in CUTS),
        *(_row(report, name) for name in (f"mrr@{TOP}", f"ndcg@{TOP}")),
        "",
        "| | | 95 % | n |",
        "|---|---|---|---|",
        *_part(report, "hard_quartile", "recall@1 of the quarter that shares least words with its chunk"),
        *_part(report, "cross_language", "recall@1 of questions in another script than their document"),
    ]
    if report["answerable_auc"] is not None:
        count = report["n"] + report["unanswerable"]
        rows.append(f"| AUC of answerable or not | {report['answerable_auc']:.3f} | | {count} |")
    if report["p50_ms"] is not None:
        rows += ["", f"a search takes {report['p50_ms']:.1f} ms (median), {report['p95_ms']:.1f} ms (95 %)"]
    if without := report["without_gold_chunk"]["ids"]:
        shown = ", ".join(without[:_NAMED]) + (" …" if len(without) > _NAMED else "")
        rows += ["", f"no chunk holds the answer of {len(without)} questions, left out above: {shown}"]
    return "\n".join(rows)


_NAMED = 10


def _chunk(record: RetrievalRecord) -> Ranks:
    return record.chunk


def _document(record: RetrievalRecord) -> Ranks:
    return record.document


def _hardest(records: Sequence[RetrievalRecord]) -> list[RetrievalRecord]:
    ordered = sorted(records, key=lambda one: (one.overlap, one.id))
    return ordered[: math.ceil(len(ordered) / 4)]


def _figures(records: Sequence[RetrievalRecord], level: _Level) -> dict[str, float | int | None]:
    return {
        **{f"recall@{k}": _recall(records, level, k).value for k in CUTS},
        f"mrr@{TOP}": _mean([level(one).reciprocal for one in records]),
        f"ndcg@{TOP}": _mean([level(one).ndcg for one in records]),
        "n": len(records),
    }


def _first(records: Sequence[RetrievalRecord]) -> dict[str, float | int | None]:
    return {"recall@1": _recall(records, _chunk, 1).value, "n": len(records)}


def _intervals(records: Sequence[RetrievalRecord], level: _Level) -> dict[str, Any]:
    return {f"recall@{k}": asdict(_recall(records, level, k)) for k in CUTS}


def _recall(records: Sequence[RetrievalRecord], level: _Level, k: int) -> Estimate:
    return share([level(one).hit(k) for one in records])


def _auc(answerable: Sequence[RetrievalRecord], unanswerable: Sequence[RetrievalRecord]) -> float | None:
    if not answerable or not unanswerable:
        return None
    return auc([one.probability for one in answerable], [one.probability for one in unanswerable])


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _percentile(records: Sequence[RetrievalRecord], percent: float) -> float | None:
    return round(float(np.percentile([one.ms for one in records], percent)), 3) if records else None


def _row(report: dict[str, Any], name: str) -> str:
    levels = [(report[level], report["intervals"][level].get(name)) for level in ("chunk", "document")]
    cells = (_cells(figures[name], interval, figures["n"]) for figures, interval in levels)
    return f"| {name} | {' | '.join(cells)} |"


def _part(report: dict[str, Any], name: str, title: str) -> list[str]:
    if name not in report:
        return []
    part = report[name]
    return [f"| {title} | {_cells(part['recall@1'], report['intervals'][name]['recall@1'], part['n'])} |"]


def _cells(value: float | None, interval: dict[str, Any] | None, n: int) -> str:
    if value is None:
        return f"– | | {n}"
    between = f"{interval['low']:.3f}..{interval['high']:.3f}" if interval else ""
    return f"{value:.3f} | {between} | {n}"
