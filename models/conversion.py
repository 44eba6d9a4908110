"""GGUF to a form that loads in seconds: bf16 safetensors, written once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers import AutoModelForCausalLM, AutoTokenizer

from models.errors import WeightsInvalid
from models.sources import Progress
from models.transformers_output import silence
from models.weights import WeightsStore, checked_hash, full_disk_explained, locked, no_progress, replacing

_STAMP = "converted.json"
_COMPARED_ROWS = 4096
_SAME_BUT_FOR_ROUNDING = 0.2
"""Four-bit rounding changes a matrix by about a tenth of its norm; unrelated ones differ by more than all of it."""
_END_OF_TURN = ("<|im_end|>", "<|endoftext|>", "<|eot_id|>", "<end_of_turn>")


def ready_model_folder(store: WeightsStore, name: str, *, progress: Progress = no_progress) -> Path:
    """
    A folder of `name` that transformers loads in seconds; a GGUF file is converted at the first call.

    Raises:
        WeightsError: as `WeightsStore.ensure`; WeightsInvalid where the GGUF file cannot be converted.
    """
    folder = store.ensure(name)
    gguf = next(iter(sorted(folder.glob("*.gguf"))), None)
    if gguf is None:
        return folder
    target = store.cache_dir / "converted" / f"{folder.name}-bf16"
    if _stamp_holds(target, gguf):
        return target
    with full_disk_explained(4 * gguf.stat().st_size, store.cache_dir), locked(target):
        if not _stamp_holds(target, gguf):
            progress(f"converting {gguf.name} to bf16 (once; a minute or two)", 0, 1)
            with replacing(target) as fresh:
                convert_gguf(gguf, fresh)
                (fresh / _STAMP).write_text(json.dumps(_origin(gguf)), encoding="utf-8")
            progress(f"converted {gguf.name}", 1, 1)
    return target


def convert_gguf(gguf: Path, into: Path) -> None:
    """
    Write a GGUF file's model and tokenizer as bf16 safetensors into the folder `into`.

    Raises:
        WeightsInvalid: transformers cannot read the file.
    """
    silence()
    try:
        tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
        model: Any = AutoModelForCausalLM.from_pretrained(gguf.parent, gguf_file=gguf.name, dtype=torch.bfloat16)
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise WeightsInvalid(f"{gguf.name} cannot be converted ({error}): choose another LARKWISE_LLM_MODEL") from error
    _forget_quantizer(model)
    _tie_head(model)
    model.generation_config.eos_token_id = _end_ids(tokenizer, model.generation_config.eos_token_id)
    model.save_pretrained(into)
    tokenizer.save_pretrained(into)
    for file in into.iterdir():  # safetensors are written for their owner only; a cache may be shared
        file.chmod(0o644)


def _forget_quantizer(model: Any) -> None:
    """transformers refuses to save a model that it believes to be quantized; the weights are plain bf16 by now."""
    for owner, name in (
        (model, "hf_quantizer"),
        (model, "quantization_method"),
        (model.config, "quantization_config"),
    ):
        if hasattr(owner, name):
            delattr(owner, name)
    model.is_quantized = False


def _tie_head(model: Any) -> None:
    """
    Keep one matrix where a model's output head was its input embedding before both were quantized.

    GGUF stores them apart, the head with more bits: so the head's numbers are kept for both.
    """
    head, table = model.get_output_embeddings(), model.get_input_embeddings()
    if head is None or head.weight is table.weight or head.weight.shape != table.weight.shape:
        return
    a, b = head.weight[:_COMPARED_ROWS].float(), table.weight[:_COMPARED_ROWS].float()
    if torch.linalg.norm(a - b) <= _SAME_BUT_FOR_ROUNDING * torch.linalg.norm(a):
        table.weight = head.weight
        model.config.tie_word_embeddings = True
        model.tie_weights()


def _end_ids(tokenizer: Any, eos: int | list[int] | None) -> list[int]:
    """What ends an answer: GGUF names one id, and chat models end their turns with another."""
    vocabulary = tokenizer.get_vocab()
    ids = [*(eos if isinstance(eos, list) else [eos]), *(vocabulary.get(token) for token in _END_OF_TURN)]
    return sorted({token for token in ids if token is not None})


def _origin(gguf: Path) -> dict[str, object]:
    """What a conversion depends on; no dates, so that a copied cache is as good as the first."""
    return {
        "file": gguf.name,
        "size": gguf.stat().st_size,
        "sha256": checked_hash(gguf),
        "transformers": transformers.__version__.split(".")[0],
    }


def _stamp_holds(folder: Path, gguf: Path) -> bool:
    try:
        stamp = json.loads((folder / _STAMP).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return bool(stamp == _origin(gguf))
