"""GGUF to safetensors, on the real small model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from models import conversion
from models.conversion import convert_gguf, ready_model_folder
from models.errors import WeightsInvalid
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
