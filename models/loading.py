"""From a folder on disk to a chat model that answers."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from models.chat import LocalChatModel, stop_ids_of
from models.conversion import Quantization
from models.engine.batching import BatchingEngine
from models.engine.requests import Engine, Observer
from models.engine.runner import TransformersRunner
from models.engine.scheduler import EngineLimits
from models.errors import WeightsInvalid
from models.quantization import is_quantized_folder, load_quantized
from models.transformers_output import silence

logger = logging.getLogger(__name__)


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

    A folder that `quantize_folder` has written is loaded in INT8. Otherwise `dtype` counts; None means bf16.
    Keys and values are kept in 16 bits, unless the model itself has more. `defaults` are `LocalChatModel`'s
    fields: temperature, max_tokens, timeout …
    The caller closes it with `close_chat_model`.

    Raises:
        WeightsInvalid: the folder does not hold a model that transformers can load, or it cannot chat.
    """
    silence()
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder)
        model = _load(folder, dtype or torch.bfloat16)
    except (OSError, ValueError, KeyError, RuntimeError, json.JSONDecodeError) as error:
        raise WeightsInvalid(
            f"{folder} does not hold a model that can be loaded ({error}); "
            "remove the folder and run `larkwise models pull`, or choose another LARKWISE_LLM_MODEL"
        ) from error
    if tokenizer.chat_template is None:
        raise WeightsInvalid(f"{folder} has no chat template, so it cannot chat: choose an instruction-tuned model")
    limits = limits or EngineLimits()
    runner = TransformersRunner(
        model,
        prefix_cache_bytes=limits.prefix_cache_bytes,
        threads=threads,
        dtype=torch.bfloat16 if is_quantized_folder(folder) else None,
    )
    engine: Engine = BatchingEngine(runner, limits=limits, observer=observer)
    return LocalChatModel(
        engine=engine,
        tokenizer=tokenizer,
        model=name,
        context_length=model.config.max_position_embeddings,
        stop_ids=stop_ids_of(tokenizer, model.generation_config),
        **defaults,
    )


def is_int8_fast() -> bool:
    """Whether INT8 was measured to pay on a processor like this one: an x86 with AVX2, and no GPU that does it all."""
    return not torch.cuda.is_available() and "fbgemm" in torch.backends.quantized.supported_engines


def usable_quantization(wanted: Quantization) -> Quantization:
    """What of it this machine's device can use: INT8 is for CPUs, and with CUDA the 16-bit model is loaded."""
    if wanted == "int8" and torch.cuda.is_available():
        logger.warning("INT8 is for CPUs: on CUDA the model is loaded in 16 bits")
        return "none"
    return wanted


def _load(folder: Path, dtype: torch.dtype) -> Any:
    if is_quantized_folder(folder):
        return load_quantized(folder)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype)
    return model.to(device).eval()


def close_chat_model(model: LocalChatModel) -> None:
    """Stop its engine; running completions end as cancelled."""
    model.engine.close()
