"""A model's files to a form that loads in seconds, written once: GGUF to bf16 safetensors, and either to int8."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import torch
import transformers
from transformers import AutoModelForCausalLM, AutoTokenizer

from models.errors import WeightsInvalid
from models.quantization import FORMAT, is_quantized_folder, quantize_folder
from models.sources import Progress
from models.transformers_output import silence
from models.weights import WeightsStore, checked_hash, full_disk_explained, locked, no_progress, replacing

Quantization = Literal["none", "int8"]

_STAMP = "converted.json"
_COMPARED_ROWS = 4096
_SAME_BUT_FOR_ROUNDING = 0.2
"""Four-bit rounding changes a matrix by about a tenth of its norm; unrelated ones differ by more than all of it."""
_END_OF_TURN = ("<|im_end|>", "<|endoftext|>", "<|eot_id|>", "<end_of_turn>")


def ready_model_folder(
    store: WeightsStore, name: str, *, quantization: Quantization = "none", progress: Progress = no_progress
) -> Path:
    """
    A folder of `name` that loads in seconds; what must be converted for that is converted at the first call.

    With `quantization` "none" transformers loads it, with "int8" `models.quantization.load_quantized`. Once the
    int8 folder is there, the bf16 one that it was made from may be deleted.

    Raises:
        WeightsError: as `WeightsStore.ensure`; WeightsInvalid where the files cannot be converted.
    """
    folder = store.ensure(name)
    if quantization == "none":
        return _sixteen_bits(store, folder, progress)
    return folder if is_quantized_folder(folder) else _eight_bits(store, folder, progress)


def _sixteen_bits(store: WeightsStore, folder: Path, progress: Progress) -> Path:
    gguf = _gguf_in(folder)
    if gguf is None:
        return folder

    def convert(into: Path) -> None:
        progress(f"converting {gguf.name} to bf16 (once; a minute or two)", 0, 1)
        convert_gguf(gguf, into)
        progress(f"converted {gguf.name}", 1, 1)

    target = store.cache_dir / "converted" / f"{folder.name}-bf16"
    return _converted_once(target, _origin(gguf), convert, needed=4 * gguf.stat().st_size)


def _eight_bits(store: WeightsStore, folder: Path, progress: Progress) -> Path:
    gguf = _gguf_in(folder)
    sources = [gguf] if gguf else _quantized_from(folder)

    def convert(into: Path) -> None:
        source = _sixteen_bits(store, folder, progress)
        progress(f"converting {folder.name} to int8 (once; half a minute)", 0, 1)
        quantize_folder(source, into, progress=progress)
        progress(f"converted {folder.name}", 1, 1)

    target = store.cache_dir / "converted" / f"{folder.name}-int8"
    stamp = {"format": FORMAT, "from": [_origin(file) for file in sources]}
    needed = sum(file.stat().st_size for file in sources) * (2 if gguf else 1)
    return _converted_once(target, stamp, convert, needed=needed)


def _converted_once(target: Path, stamp: dict[str, object], convert: Callable[[Path], None], *, needed: int) -> Path:
    """Let `convert` write the folder `target` where it is not there with this stamp; `needed` in bytes."""
    if _stamp_holds(target, stamp):
        return target
    with full_disk_explained(needed, target.parent.parent), locked(target):
        if not _stamp_holds(target, stamp):
            with replacing(target) as fresh:
                convert(fresh)
                (fresh / _STAMP).write_text(json.dumps(stamp), encoding="utf-8")
    return target


def _gguf_in(folder: Path) -> Path | None:
    return next(iter(sorted(folder.glob("*.gguf"))), None)


def _quantized_from(folder: Path) -> list[Path]:
    return sorted([*folder.glob("*.safetensors"), *folder.glob("*config.json")])


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


def _origin(file: Path) -> dict[str, object]:
    """
    What a conversion depends on.

    A date only where nobody knew what the file's hash should be: so that a copied cache is as good as the first.
    """
    stat, sha256 = file.stat(), checked_hash(file)
    known = {"sha256": sha256} if sha256 else {"sha256": None, "mtime_ns": stat.st_mtime_ns}
    return {"file": file.name, "size": stat.st_size, **known, "transformers": transformers.__version__.split(".")[0]}


def _stamp_holds(folder: Path, stamp: dict[str, object]) -> bool:
    try:
        found = json.loads((folder / _STAMP).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return bool(found == stamp)
