"""GGUF to safetensors, and either to int8, on the real small model and a tiny one."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, Qwen2Config

from models import conversion
from models.conversion import convert_gguf, ready_model_folder
from models.errors import WeightsInvalid
from models.manifest import load_manifest
from models.quantization import is_quantized_folder, quantize_folder
from models.weights import WeightsStore

NAME = "smollm2-135m-instruct"


def test_it_is_converted_once(weights: WeightsStore, smollm2_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object) -> None:
        raise AssertionError("converted again")

    monkeypatch.setattr(conversion, "convert_gguf", never)
    assert ready_model_folder(weights, NAME) == smollm2_folder


def test_the_converted_model_answers_as_the_gguf_file_does(weights: WeightsStore, smollm2_folder: Path) -> None:
    folder = weights.ensure(NAME)
    gguf = next(folder.glob("*.gguf"))
    tokenizer = AutoTokenizer.from_pretrained(smollm2_folder)
    ids = tokenizer("The capital of France is", return_tensors="pt")
    original: Any = AutoModelForCausalLM.from_pretrained(folder, gguf_file=gguf.name, dtype=torch.float32)
    converted: Any = AutoModelForCausalLM.from_pretrained(smollm2_folder, dtype=torch.float32)
    with torch.inference_mode():
        a, b = original(**ids).logits[0, -1], converted(**ids).logits[0, -1]
    assert torch.nn.functional.cosine_similarity(a, b, dim=0) > 0.999
    assert a.argmax() == b.argmax()


def test_the_converted_model_can_chat_and_knows_where_to_stop(smollm2_folder: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(smollm2_folder)
    assert tokenizer.chat_template
    ends = json.loads((smollm2_folder / "generation_config.json").read_text())["eos_token_id"]
    assert tokenizer.convert_tokens_to_ids("<|im_end|>") in ends


def test_a_file_that_is_no_gguf_is_told(tmp_path: Path) -> None:
    (tmp_path / "x.gguf").write_bytes(b"GGUF" + b"nonsense" * 10)
    with pytest.raises(WeightsInvalid, match="cannot be converted"):
        convert_gguf(tmp_path / "x.gguf", tmp_path / "out")


@pytest.fixture
def store(tmp_path: Path) -> WeightsStore:
    return WeightsStore(tmp_path / "cache", load_manifest(), offline=True)


@pytest.fixture
def plain_folder(tmp_path: Path) -> Path:
    config = Qwen2Config(
        vocab_size=96, hidden_size=32, intermediate_size=64, num_hidden_layers=1, num_attention_heads=2,
        num_key_value_heads=1,
    )  # fmt: skip
    model: Any = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)  # type: ignore[no-untyped-call]
    model.save_pretrained(tmp_path / "mine")
    return tmp_path / "mine"


@pytest.fixture
def conversions(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """What was read to be quantized, in order."""
    read: list[Path] = []

    def counting(source: Path, into: Path, **options: Any) -> None:
        read.append(source)
        quantize_folder(source, into, **options)

    monkeypatch.setattr(conversion, "quantize_folder", counting)
    return read


def test_int8_is_made_once(store: WeightsStore, plain_folder: Path, conversions: list[Path]) -> None:
    first = ready_model_folder(store, str(plain_folder), quantization="int8")
    second = ready_model_folder(store, str(plain_folder), quantization="int8")

    assert first == second == store.cache_dir / "converted" / "mine-int8"
    assert is_quantized_folder(first)
    assert conversions == [plain_folder]


def test_a_gguf_file_becomes_int8_by_way_of_bf16(weights: WeightsStore, smollm2_folder: Path) -> None:
    folder = ready_model_folder(weights, NAME, quantization="int8")

    assert is_quantized_folder(folder)
    assert (folder / "tokenizer.json").read_bytes() == (smollm2_folder / "tokenizer.json").read_bytes()


def test_int8_needs_no_bf16_folder_once_it_is_there(
    weights: WeightsStore, store: WeightsStore, conversions: list[Path]
) -> None:
    shutil.copytree(weights.ensure(NAME), store.cache_dir / "models" / NAME)
    made = ready_model_folder(weights, NAME, quantization="int8")
    shutil.copytree(made, store.cache_dir / "converted" / made.name)
    conversions.clear()

    ready_model_folder(store, NAME, quantization="int8")

    assert not conversions
    assert not (store.cache_dir / "converted" / f"{NAME}-bf16").exists()


def test_int8_is_made_again_when_the_weights_change(
    store: WeightsStore, plain_folder: Path, conversions: list[Path]
) -> None:
    ready_model_folder(store, str(plain_folder), quantization="int8")
    os.utime(plain_folder / "model.safetensors", ns=(0, 0))  # trained further: of the same size, with another date

    ready_model_folder(store, str(plain_folder), quantization="int8")

    assert conversions == [plain_folder, plain_folder]


def test_a_plain_folder_and_an_int8_folder_are_taken_as_they_are(store: WeightsStore, plain_folder: Path) -> None:
    made = ready_model_folder(store, str(plain_folder), quantization="int8")

    assert ready_model_folder(store, str(plain_folder)) == plain_folder
    assert ready_model_folder(store, str(made), quantization="int8") == made


def test_a_conversion_that_fails_leaves_nothing(store: WeightsStore, plain_folder: Path) -> None:
    (plain_folder / "model.safetensors").write_bytes(b"nonsense")

    with pytest.raises(WeightsInvalid, match="does not hold a whole model"):
        ready_model_folder(store, str(plain_folder), quantization="int8")

    assert not (store.cache_dir / "converted" / "mine-int8").exists()
