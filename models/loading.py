"""From a folder on disk to a chat model that answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from models.chat import LocalChatModel, stop_ids_of
from models.engine.batching import BatchingEngine
from models.engine.requests import Engine, Observer
from models.engine.runner import TransformersRunner
from models.engine.scheduler import EngineLimits
from models.errors import WeightsInvalid
from models.transformers_output import silence


def load_local_chat_model(
    folder: Path,
    *,
    name: str,
    threads: int | None = None,
    dtype: torch.dtype | None = None,
    limits: EngineLimits | None = None,
    observer: Observer | None = None,
    **defaults: Any,
) -> LocalChatModel:
    """
    Load a causal language model and its tokenizer; on CUDA where there is one, else on the CPU.

    `dtype` None means bf16. `defaults` are `LocalChatModel`'s fields: temperature, max_tokens, timeout …
    The caller closes it with `close_chat_model`.

    Raises:
        WeightsInvalid: the folder does not hold a model that transformers can load, or it cannot chat.
    """
    device = "cuda" if torch.cuda.is_available() else "cpu"
    silence()
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder)
        model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype or torch.bfloat16)
    except (OSError, ValueError, KeyError, RuntimeError, json.JSONDecodeError) as error:
        raise WeightsInvalid(
            f"{folder} does not hold a model that can be loaded ({error}); "
            "remove the folder and run `larkwise models pull`, or choose another LARKWISE_LLM_MODEL"
        ) from error
    if tokenizer.chat_template is None:
        raise WeightsInvalid(f"{folder} has no chat template, so it cannot chat: choose an instruction-tuned model")
    model = model.to(device).eval()
    limits = limits or EngineLimits()
    runner = TransformersRunner(model, prefix_cache_bytes=limits.prefix_cache_bytes, threads=threads)
    engine: Engine = BatchingEngine(runner, limits=limits, observer=observer)
    return LocalChatModel(
        engine=engine,
        tokenizer=tokenizer,
        model=name,
        context_length=model.config.max_position_embeddings,
        stop_ids=stop_ids_of(tokenizer, model.generation_config),
        **defaults,
    )


def close_chat_model(model: LocalChatModel) -> None:
    """Stop its engine; running completions end as cancelled."""
    model.engine.close()
