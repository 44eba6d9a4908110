"""INT8 on the CPU, on the real small model and on tiny ones of every family."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    GPT2Config,
    LlamaConfig,
    MistralConfig,
    PreTrainedConfig,
    Qwen2Config,
    Qwen3Config,
)

from models.conversion import ready_model_folder
from models.errors import WeightsInvalid
from models.quantization import (
    PackedLinear,
    PlainLinear,
    TwoDigitLinear,
    is_quantized_folder,
    load_quantized,
    quantize_folder,
    quantize_rows,
)
from models.weights import WeightsStore, no_progress

_TINY: dict[str, Any] = {
    "vocab_size": 96,
    "hidden_size": 64,
    "intermediate_size": 160,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
_HAS_FBGEMM = "fbgemm" in torch.backends.quantized.supported_engines

_HAS_VNNI = torch.cpu.get_capabilities().get("avx512_vnni", False)
needs_fbgemm = pytest.mark.skipif(not _HAS_FBGEMM, reason="no fbgemm here")
needs_vnni = pytest.mark.skipif(
    not (_HAS_FBGEMM and _HAS_VNNI), reason="this processor adds eight bits' products in 16"
)
linears = pytest.mark.parametrize(
    "linear",
    [pytest.param(PackedLinear, marks=needs_vnni), pytest.param(TwoDigitLinear, marks=needs_fbgemm), PlainLinear],
)
Linear = Callable[[Tensor, Tensor, Tensor | None], nn.Module]


@pytest.fixture(scope="module")
def smollm2_int8_folder(weights: WeightsStore) -> Path:
    return ready_model_folder(weights, "smollm2-135m-instruct", quantization="int8")


@pytest.fixture(scope="module")
def smollm2_int8(smollm2_int8_folder: Path) -> Any:
    return load_quantized(smollm2_int8_folder)


def tiny_folder(folder: Path, config: PreTrainedConfig) -> Path:
    torch.manual_seed(0)
    model: Any = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)  # type: ignore[no-untyped-call]
    model.save_pretrained(folder)
    return folder


def quantized(source: Path, into: Path) -> Path:
    into.mkdir()
    quantize_folder(source, into, progress=no_progress)
    return into


def test_a_matrix_is_rebuilt_to_within_half_a_step() -> None:
    matrix = torch.randn(9, 64, generator=torch.Generator().manual_seed(0))
    matrix[3] = 0

    integers, scales = quantize_rows(matrix)

    assert integers.dtype == torch.int8
    assert ((integers * scales[:, None] - matrix).abs() <= scales[:, None] * 0.501).all()


@linears
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("with_bias", [True, False])
def test_a_layer_computes_what_the_float_layer_does(linear: Linear, dtype: torch.dtype, with_bias: bool) -> None:
    dice = torch.Generator().manual_seed(0)
    weight, bias = torch.randn(48, 256, generator=dice), torch.randn(48, generator=dice) if with_bias else None
    x = torch.randn(2, 5, 256, generator=dice).to(dtype)

    y = linear(*quantize_rows(weight), bias)(x)

    expected = nn.functional.linear(x.float(), weight, bias)
    assert y.dtype == dtype
    assert y.shape == expected.shape
    assert torch.linalg.norm(y.float() - expected) < 0.02 * torch.linalg.norm(expected)


@needs_fbgemm
def test_two_digits_lose_next_to_nothing_of_an_activation() -> None:
    """Neither do they overflow in 16 bits, which the greatest activations and weights would."""
    weight = torch.full((16, 256), 127, dtype=torch.int8)
    x = torch.randn(64, 256, generator=torch.Generator().manual_seed(0))
    x[0] = 1.0

    y = TwoDigitLinear(weight, torch.ones(16), None)(x)

    expected = nn.functional.linear(x, weight.float())
    assert (y - expected).abs().max() < 256 * 127 * x.abs().max() / 63 / 126


@linears
def test_neighbours_do_not_change_a_row_by_one_bit(linear: Linear) -> None:
    dice = torch.Generator().manual_seed(0)
    layer = linear(*quantize_rows(torch.randn(48, 256, generator=dice)), torch.randn(48, generator=dice))
    rows = torch.randn(7, 256, generator=dice) * torch.tensor([1, 1000, 0.001, 1, 0, 50, 1])[:, None]

    together = layer(rows)

    for row, result in zip(rows, together, strict=True):
        assert torch.equal(layer(row[None])[0], result)


@linears
def test_a_row_of_zeros_gives_the_bias(linear: Linear) -> None:
    bias = torch.arange(16.0)
    layer = linear(*quantize_rows(torch.randn(16, 32, generator=torch.Generator().manual_seed(0))), bias)

    assert torch.equal(layer(torch.zeros(1, 32))[0], bias)


@pytest.mark.parametrize(
    "config",
    [
        Qwen2Config(**_TINY, tie_word_embeddings=True),
        Qwen2Config(**_TINY, tie_word_embeddings=False),
        Qwen3Config(**_TINY),
        LlamaConfig(**_TINY, attention_bias=True),
        MistralConfig(**_TINY),
    ],
    ids=["qwen2-tied", "qwen2", "qwen3", "llama", "mistral"],
)
def test_every_family_answers_nearly_as_its_16_bit_model(config: PreTrainedConfig, tmp_path: Path) -> None:
    source = tiny_folder(tmp_path / "source", config)
    ids = torch.randint(3, 96, (2, 20), generator=torch.Generator().manual_seed(0))
    original: Any = AutoModelForCausalLM.from_pretrained(source, dtype=torch.float32)

    model: Any = load_quantized(quantized(source, tmp_path / "int8"))

    with torch.inference_mode():
        similarity = nn.functional.cosine_similarity(model(ids).logits, original(ids).logits, dim=-1)
    assert similarity.min() > 0.99


def test_the_small_model_chooses_mostly_the_same_tokens(smollm2_folder: Path, smollm2_int8: Any) -> None:
    original: Any = AutoModelForCausalLM.from_pretrained(smollm2_folder, dtype=torch.float32)
    text = Path(__file__).parents[2].joinpath("LICENSE").read_text(encoding="utf-8")
    ids = AutoTokenizer.from_pretrained(smollm2_folder)(text, return_tensors="pt")["input_ids"][:, :600]

    with torch.inference_mode():
        same = smollm2_int8(ids).logits.argmax(-1) == original(ids).logits.argmax(-1)

    assert same.float().mean() > 0.85


def test_it_generates(smollm2_int8_folder: Path, smollm2_int8: Any) -> None:
    tokenizer: Any = AutoTokenizer.from_pretrained(smollm2_int8_folder)
    messages = [{"role": "user", "content": "What is the capital of France?"}]
    prompt = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_tensors="pt", return_dict=True)

    out = smollm2_int8.generate(**prompt, max_new_tokens=12, do_sample=False)

    assert "Paris" in tokenizer.decode(out[0, prompt["input_ids"].shape[1] :])


def test_no_matrix_is_left_in_full_precision(smollm2_int8: Any) -> None:
    floats = [tensor for tensor in (*smollm2_int8.parameters(), *smollm2_int8.buffers()) if tensor.is_floating_point()]

    assert not any(isinstance(module, nn.Linear) for module in smollm2_int8.modules())
    assert sum(tensor.numel() for tensor in floats) < 0.01 * 135e6


@pytest.mark.skipif(not Path("/proc/self/smaps").exists(), reason="only Linux tells what is mapped")
def test_the_table_stays_in_the_file_however_many_rows_were_read(smollm2_int8_folder: Path) -> None:
    model: Any = load_quantized(smollm2_int8_folder)
    table = model.get_input_embeddings()

    every = table(torch.arange(0, table.weight.shape[0], 7))

    file, resident_bytes = mapping_at(table.weight.data_ptr())
    assert every.isfinite().all()
    assert file == str((smollm2_int8_folder / "int8.safetensors").resolve())
    assert resident_bytes < 0.01 * table.weight.numel()


def mapping_at(address: int) -> tuple[str, int]:
    """The file that is mapped at an address of this process, and how many bytes of the mapping are in memory."""
    entries = re.findall(
        r"^([0-9a-f]+)-([0-9a-f]+) \S+ \S+ \S+ \S+ *(.*?)$.*?^Rss: +(\d+) kB$",
        Path("/proc/self/smaps").read_text(),
        re.DOTALL | re.MULTILINE,
    )
    return next(
        (file, int(kilobytes) * 1024)
        for begin, end, file, kilobytes in entries
        if int(begin, 16) <= address < int(end, 16)
    )


def test_a_model_of_another_architecture_is_told(tmp_path: Path) -> None:
    source = tiny_folder(tmp_path / "source", GPT2Config(n_embd=32, n_layer=1, n_head=2, vocab_size=64))

    with pytest.raises(WeightsInvalid, match=r"'gpt2'; int8 is for .*LARKWISE_LLM_QUANTIZATION=none"):
        quantize_folder(source, tmp_path, progress=no_progress)


def test_a_folder_without_safetensors_is_told(tmp_path: Path) -> None:
    Qwen2Config(**_TINY).save_pretrained(tmp_path)

    with pytest.raises(WeightsInvalid, match="has no safetensors"):
        quantize_folder(tmp_path, tmp_path, progress=no_progress)


@pytest.mark.parametrize("size", [0, 5, 3000])
def test_a_damaged_file_is_told(size: int, tmp_path: Path) -> None:
    folder = quantized(tiny_folder(tmp_path / "source", Qwen2Config(**_TINY)), tmp_path / "int8")
    file = folder / "int8.safetensors"
    file.write_bytes(file.read_bytes()[:size])

    with pytest.raises(WeightsInvalid, match="does not hold a whole model"):
        load_quantized(folder)


def test_a_configuration_that_does_not_fit_the_file_is_told(tmp_path: Path) -> None:
    folder = quantized(tiny_folder(tmp_path / "source", Qwen2Config(**_TINY)), tmp_path / "int8")
    Qwen2Config(**_TINY | {"intermediate_size": 320}).save_pretrained(folder)

    with pytest.raises(WeightsInvalid, match=r"\(160, 64\) instead of \(320, 64\)"):
        load_quantized(folder)


def test_a_missing_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(WeightsInvalid, match="does not hold a whole model"):
        load_quantized(tmp_path / "nowhere")


def test_a_disk_that_cannot_be_written_is_an_os_error(tmp_path: Path) -> None:
    source = tiny_folder(tmp_path / "source", Qwen2Config(**_TINY))

    with pytest.raises(FileNotFoundError):
        quantize_folder(source, tmp_path / "nowhere", progress=no_progress)


def test_quantized_folders_are_known(smollm2_folder: Path, smollm2_int8_folder: Path) -> None:
    assert is_quantized_folder(smollm2_int8_folder)
    assert not is_quantized_folder(smollm2_folder)
