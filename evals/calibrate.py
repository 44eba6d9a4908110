"""
Fit a collection's confidence on labelled questions about it: `larkwise eval calibrate`.

The weights by which chunks are ranked stay those that larkwise ships with: to learn these takes thousands of questions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from app.cli_terminal import CollectionOption, JsonOption, out, print_json, say_error
from chains.coefficients import PAIRINGS, Linear, Pairing, shipped
from chains.confidence import Calibration, shipped_calibration
from evals.calibration import check_plots, ece, reliability_png
from evals.errors import EvalError, TooFewLabels
from evals.examples import Example, examples_of
from evals.fitting import fit_gate, gates
from evals.handbook import auc
from evals.options import CorpusOption, LimitOption, SetOption, set_of, to_ask
from evals.outcomes import fit_right
from evals.places import place
from evals.records import ANSWERS, Record
from evals.runs import read
from ingest.stores.port import CALIBRATION

_FOLDS = 5
_ENOUGH = 20
"""Questions of each kind, with an answer and without, that a fit needs."""
_DOUBTFUL = 3
"""A third of the false answers that are allowed may come from questions that the model must not refuse."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """One pairing's fit, and what it says of questions that it was not fitted on."""

    gate: Linear
    gates: tuple[float, float]
    chances: tuple[float, ...]
    labels: tuple[bool, ...]


def calibrate(
    collection: CollectionOption = "default",
    folder: SetOption = None,
    corpus: CorpusOption = None,
    limit: LimitOption = None,
    answers: Annotated[
        Path | None, typer.Option(help="A file of `larkwise eval answers --out`, to learn when an answer is right")
    ] = None,
    false_answers: Annotated[
        float, typer.Option(min=0.01, max=0.9, help="The share of questions without an answer that may be answered")
    ] = 0.15,
    plot: Annotated[Path | None, typer.Option(help="Write the reliability diagram to this PNG file")] = None,
    as_json: JsonOption = False,
) -> None:
    """Fit the confidence on labelled questions, and store the fit with the collection."""
    try:
        if plot:
            check_plots()
        report = _calibrate(collection, folder, corpus, limit, answers, false_answers, plot)
    except EvalError as error:
        say_error(str(error))
        raise typer.Exit(1) from error
    if as_json:
        print_json(report)
    else:
        out.print(_table(report), markup=False)


def _calibrate(
    collection: str,
    folder: Path | None,
    corpus: Path | None,
    limit: int | None,
    answers: Path | None,
    false_answers: float,
    plot: Path | None,
) -> dict[str, Any]:
    asked_of = set_of(folder, corpus)
    records = read(answers, ANSWERS)[1] if answers else []
    with place(collection) as here, here.store() as store:
        examples = examples_of(store, asked_of, to_ask(asked_of, limit))
        fitted = fit(examples, false_answers)
        store.note({CALIBRATION: calibration_of(fitted, records).to_json()})
    chances = [chance for one in fitted.values() for chance in one.chances]
    labels = [label for one in fitted.values() for label in one.labels]
    if plot:
        reliability_png(plot, chances, labels, f"{collection}: does it hold the answer?")
    return {
        "collection": collection,
        "pairings": {name: _facts(one) for name, one in fitted.items()},
        **_all(chances, labels),
    }


def fit(examples: Sequence[Example], false_answers: float) -> dict[Pairing, Fitted]:
    """
    For each pairing with enough questions of both kinds.

    Raises:
        TooFewLabels: none has.
    """
    by_pairing = {name: [one for one in examples if one.pairing == name] for name in PAIRINGS}
    usable = {name: here for name, here in by_pairing.items() if _has_enough(here)}
    if not usable:
        raise TooFewLabels(
            f"a fit needs {_ENOUGH} questions that the collection answers and {_ENOUGH} that it does not, in one "
            "language: label more, or keep the confidence that larkwise comes with"
        )
    return {name: _fitted(name, here, false_answers) for name, here in usable.items()}


def calibration_of(fitted: Mapping[Pairing, Fitted], records: Sequence[Record]) -> Calibration:
    """The fits, and for what could not be fitted what larkwise comes with."""
    known = shipped_calibration()
    return Calibration(
        before={**known.before, **{name: one.gate for name, one in fitted.items()}},
        right={**known.right, **fit_right(records)},
        gates={**known.gates, **{name: one.gates for name, one in fitted.items()}},
    )


def _has_enough(examples: Sequence[Example]) -> bool:
    answerable = sum(one.answerable for one in examples)
    return min(answerable, len(examples) - answerable) >= _ENOUGH


def _fitted(pairing: Pairing, examples: Sequence[Example], false_answers: float) -> Fitted:
    ranker = shipped().ranking[pairing]
    labels = [one.answerable for one in examples]
    seen = [list(one.evidence(ranker).values()) for one in examples]
    folds = StratifiedKFold(_FOLDS, shuffle=True, random_state=0)
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.3, max_iter=5000))
    chances = cross_val_predict(model, seen, labels, cv=folds, method="predict_proba")[:, 1].tolist()
    thresholds = gates(chances, labels, (false_answers, false_answers / _DOUBTFUL))
    return Fitted(fit_gate(examples, ranker), thresholds, tuple(chances), tuple(labels))


def _facts(one: Fitted) -> dict[str, Any]:
    return {"refuse_below": one.gates[0], "doubtful_below": one.gates[1], **_all(one.chances, one.labels)}


def _all(chances: Sequence[float], labels: Sequence[bool]) -> dict[str, Any]:
    answered = [chance for chance, label in zip(chances, labels, strict=True) if label]
    unanswered = [chance for chance, label in zip(chances, labels, strict=True) if not label]
    return {"n": len(labels), "auc": round(auc(answered, unanswered), 4), "ece": round(ece(chances, labels) or 0.0, 4)}


def _table(report: dict[str, Any]) -> str:
    rows = [
        f"the collection {report['collection']} has its own confidence now; on questions that it was not fitted on:",
        "",
        "| question and documents | questions | AUC | ECE | refused below | doubtful below |",
        "|---|---|---|---|---|---|",
    ]
    for name, one in report["pairings"].items():
        rows.append(
            f"| {name} | {one['n']} | {one['auc']:.3f} | {one['ece']:.3f} | {one['refuse_below']:.3f} "
            f"| {one['doubtful_below']:.3f} |"
        )
    return "\n".join(rows)
