"""
Fit the confidence on labelled questions: `python -m evals.calibrate [--collection NAME] [QUESTIONS.jsonl]`.

Prints the coefficients for chains/confidence.py, and how well they separate. No language model is needed.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict

from app.services import open_collections, open_weights
from app.settings import load_settings
from chains.confidence import Calibration, answerable, evidence
from chains.retrieval import retrieve
from evals.handbook import HANDBOOK, auc, questions, text_found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("questions", nargs="?", type=Path, default=HANDBOOK / "questions.jsonl")
    parser.add_argument("--collection", default="default")
    parser.add_argument("--verbose", action="store_true")
    options = parser.parse_args()
    settings = load_settings()
    store = open_collections(settings, open_weights(settings)).open(options.collection)
    features, labels, now, hits = [], [], [], 0
    for one in questions(options.questions):
        found = retrieve(store, one.question)
        seen = evidence(one.question, found)
        features.append([seen.similarity, seen.coverage, seen.together])
        labels.append(one.answerable)
        now.append(answerable(seen, Calibration()))
        hit = one.answerable and text_found(one, " ".join(chunk.document.page_content for chunk in found))
        hits += hit
        if options.verbose:
            print(one.id, one.answerable, hit, np.round(features[-1], 2), round(now[-1], 2), one.question)
    _report(np.array(features), np.array(labels), now, hits)


def _report(features: np.ndarray, labels: np.ndarray, now: list[float], hits: int) -> None:
    print(f"passage with the answer among the sources: {hits} of {int(labels.sum())}")
    print(f"AUC of the present coefficients: {_auc(labels, np.array(now)):.3f}")
    model = LogisticRegression(C=3.0)
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    unseen = cross_val_predict(model, features, labels, cv=folds, method="predict_proba")[:, 1]
    print(f"AUC of fitted ones on questions they were not fitted on (5 folds): {_auc(labels, unseen):.3f}")
    model.fit(features, labels)
    names = ("similarity", "coverage", "together")
    fitted = ", ".join(f"{name}={weight:.2f}" for name, weight in zip(names, model.coef_[0], strict=True))
    print(f"fitted: bias={model.intercept_[0]:.2f}, {fitted}")


def _auc(labels: np.ndarray, scores: np.ndarray) -> float:
    return auc(scores[labels].tolist(), scores[~labels].tolist())


if __name__ == "__main__":
    main()
