"""Sets, answers and findings as tests need them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from evals.ranks import Ranks
from evals.records import Record, RunFacts
from evals.retrieval_records import RetrievalFacts, RetrievalRecord

FACTS = RunFacts(
    set="zh", questions=2, chain="rag", provider="local", model="m", quantization="none", embedding="e", collection=""
)
RETRIEVAL_FACTS = RetrievalFacts(
    set="zh", questions=2, embedding="e", collection="", vector_store="faiss", chunk_size=500, chunk_overlap=50
)


def write(folder: Path, name: str, *lines: dict[str, Any]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")


def answered(number: int, *, contains: bool = True, answerable: bool = True, **more: Any) -> Record:
    """An answer that is right and cites nothing, unless told otherwise."""
    given = {
        "id": f"q{number}",
        "question": "?",
        "answerable": answerable,
        "golds": ["x"] if answerable else [],
        "answer": "x",
        "refused": False,
        "contains": contains and answerable,
        "exact": False,
        "f1": float(contains and answerable),
        "confidence": 0.5,
        "retrieved": answerable,
        "pairing": "en",
        "signals": {},
        "citations": 0,
        "citations_right": 0,
        "seconds": 1.0,
    }
    return Record.model_validate(given | more)


def found(
    number: int, at: Sequence[int] = (), *, wanted: int = 1, answerable: bool = True, **more: Any
) -> RetrievalRecord:
    """What was found for a question whose right chunk stands at these places, and its document too."""
    ranks = Ranks(at=list(at), wanted=wanted if answerable else 0)
    given = {
        "id": f"q{number:02}",
        "question": "?",
        "answerable": answerable,
        "chunk": ranks,
        "document": ranks,
        "overlap": 0.5,
        "cross_language": False,
        "probability": 0.5,
        "ms": 1.0,
        "found": [],
    }
    return RetrievalRecord.model_validate(given | more)
