"""
LangChain's HuggingFacePipeline, answering prompts from stdin one after the other; see `bench.targets.LineProcess`.

`python -m bench.baseline_pipeline FOLDER THREADS`
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def main() -> None:
    import torch
    from langchain_huggingface import HuggingFacePipeline

    from models.transformers_output import silence

    folder, threads = Path(sys.argv[1]), int(sys.argv[2])
    torch.set_num_threads(threads)
    silence()
    llm = HuggingFacePipeline.from_model_id(
        model_id=str(folder),
        task="text-generation",
        device=0 if torch.cuda.is_available() else -1,
        model_kwargs={"dtype": torch.bfloat16},
    )
    _say({"ready": True})
    for line in sys.stdin:
        try:
            for said in _answer(llm, json.loads(line)):
                _say(said)
        except (RuntimeError, ValueError, MemoryError) as error:
            _say({"error": f"{type(error).__name__}: {error}"})


def _answer(llm: Any, asked: dict[str, Any]) -> Iterator[dict[str, Any]]:
    tokenizer, tokens = llm.pipeline.tokenizer, asked["answer_tokens"]
    prompt = tokenizer.apply_chat_template(asked["messages"], tokenize=False, add_generation_prompt=True)
    exactly = {"min_new_tokens": tokens, "max_new_tokens": tokens, "do_sample": False}
    for piece in llm.stream(prompt, skip_prompt=True, pipeline_kwargs=exactly):
        if piece:
            yield {"text": piece}
    yield {"prompt_tokens": len(tokenizer(prompt)["input_ids"]), "completion_tokens": tokens}


def _say(said: dict[str, Any]) -> None:
    print(json.dumps(said), flush=True)


if __name__ == "__main__":
    main()
