"""
How probable a model finds each choice of a question: `python -m bench.report.scoring FOLDER THREADS`.

FOLDER holds 16-bit weights, or those of `models.quantization`. Writes `{"ready": true}`, then for each JSON line on
stdin one to stdout: in `{"id", "introduction", "shots", "question", "choices"}`, out `{"id", "scores"}`, the logarithms
of the probabilities that each choice follows.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from models.quantization import is_quantized_folder, load_quantized
from models.transformers_output import silence


def main() -> None:
    folder, threads = Path(sys.argv[1]), int(sys.argv[2])
    torch.set_num_threads(threads)
    silence()
    scorer = Scorer(load(folder), AutoTokenizer.from_pretrained(folder))
    _say({"ready": True})
    for line in sys.stdin:
        asked = json.loads(line)
        _say({"id": asked.pop("id"), "scores": scorer.scores(**asked)})


def load(folder: Path) -> Any:
    """The same weights, in the same arithmetic, as `models.loading` serves."""
    if is_quantized_folder(folder):
        return load_quantized(folder)
    model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.bfloat16)
    return model.to("cuda" if torch.cuda.is_available() else "cpu").eval()


class Scorer:
    """Reads a question once where every choice is one token, and once a choice where not."""

    def __init__(self, model: Any, tokenizer: Any, *, context: int | None = None) -> None:
        self._model = model
        self._tokenizer = tokenizer
        self._context = context or int(model.config.max_position_embeddings)

    def scores(self, introduction: str, shots: Sequence[str], question: str, choices: Sequence[str]) -> list[float]:
        """Answered questions that the model's context has no room for are left out, the last ones first."""
        kept = list(shots)
        while kept and len(self._ids(introduction + "".join(kept) + question)) + 1 >= self._context:
            kept.pop()
        prompt = introduction + "".join(kept) + question
        read = self._ids(prompt)
        wholes = [self._ids(prompt + choice) for choice in choices]
        if all(whole[:-1] == read for whole in wholes):
            last = self._log_probabilities(read, 1)[0]
            return [float(last[whole[-1]]) for whole in wholes]
        return [self._of_continuation(read, whole) for whole in wholes]

    def _of_continuation(self, prompt: list[int], whole: list[int]) -> float:
        """A tokenizer may join the prompt's end with the choice: what counts begins where the tokens differ."""
        same = next((at for at, (a, b) in enumerate(zip(prompt, whole, strict=False)) if a != b), len(prompt))
        counted = whole[max(1, min(same, len(whole) - 1)) :]
        rows = self._log_probabilities(whole[:-1], len(counted))
        return float(sum(row[token] for row, token in zip(rows, counted, strict=True)))

    def _ids(self, text: str) -> list[int]:
        ids: list[int] = self._tokenizer(text)["input_ids"]
        return ids

    def _log_probabilities(self, ids: list[int], last: int) -> torch.Tensor:
        """(last, vocabulary), float32: of what follows each of the last tokens."""
        tokens = torch.tensor([ids], device=self._model.device)
        with torch.inference_mode():
            logits = self._model(tokens, use_cache=False, logits_to_keep=last).logits[0]
        return torch.log_softmax(logits.float(), dim=-1)


def _say(said: dict[str, Any]) -> None:
    print(json.dumps(said), flush=True)


if __name__ == "__main__":
    main()
