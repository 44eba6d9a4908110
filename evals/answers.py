"""
Ask every labelled question and count what came of it: `python -m evals.answers [--out FILE.jsonl] [QUESTIONS.jsonl]`.

Takes some seconds a question: the model really answers.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from pathlib import Path
from typing import Any

from app.conversations import remembering
from app.services import open_services
from app.settings import load_settings
from evals.handbook import HANDBOOK, LabelledQuestion, auc, questions, source_found, text_found


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("questions", nargs="?", type=Path, default=HANDBOOK / "questions.jsonl")
    parser.add_argument("--collection", default="default")
    parser.add_argument("--out", type=Path, default=Path("var/answers.jsonl"), help="every answer, one a line")
    options = parser.parse_args()
    asked = questions(options.questions)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    outputs = []
    with options.out.open("w", encoding="utf-8") as out:
        async with open_services(load_settings()) as services:
            chain = remembering(services.specs["rag"], lambda: services)
            for one in asked:
                began = time.monotonic()
                output = await chain.ainvoke({"question": one.question, "collection": options.collection})
                outputs.append(output)
                line = {"id": one.id, "seconds": round(time.monotonic() - began, 1), **output}
                out.write(json.dumps(line, ensure_ascii=False) + "\n")
                out.flush()
                print(one.id, f"{line['seconds']} s", one.question, "->", output["answer"], flush=True)
    report(asked, outputs)


def report(asked: list[LabelledQuestion], outputs: list[dict[str, Any]]) -> None:
    """Print the counts."""
    pairs = list(zip(asked, outputs, strict=True))
    answerable = [(one, output) for one, output in pairs if one.answerable]
    rest = [output for one, output in pairs if not one.answerable]
    given = [(one, output) for one, output in answerable if not output["refused"]]
    right = [one for one, output in given if text_found(one, output["answer"])]
    cited = [output for _, output in given if output["citations"]]
    well_cited = [1 for one, output in given if output["citations"] and _cites_right(one, output)]
    print(f"answerable: {len(answerable)}, answered {len(given)}, with the expected words {len(right)}")
    print(f"refused although answerable: {len(answerable) - len(given)}")
    print(f"unanswerable: {len(rest)}, refused {sum(output['refused'] for output in rest)}")
    print(f"answers with a citation: {len(cited)}; to a right document: {len(well_cited)}")
    if rest and answerable:
        scores = [output["confidence"] for _, output in answerable], [output["confidence"] for output in rest]
        print(f"AUC of confidence: {auc(*scores):.3f}")


def _cites_right(one: LabelledQuestion, output: dict[str, Any]) -> bool:
    cited = {citation["source_id"] for citation in output["citations"]}
    return source_found(one, [source for source in output["sources"] if source["id"] in cited])


if __name__ == "__main__":
    asyncio.run(main())
