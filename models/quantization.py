"""
INT8 on the CPU: a model folder's matrices in eight bits, and the layers that compute with them.

Weights have one scale an output channel, activations one a token, which is found while computing: so no token depends
on what else is in the batch. Between the matrices a model computes in float32 (docs/adr/0011).
"""

from __future__ import annotations

import errno
import json
import mmap
import re
import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn.functional import embedding
from transformers import AutoConfig, AutoModelForCausalLM, GenerationConfig, PreTrainedModel

from models.errors import WeightsInvalid
from models.sources import Progress

FORMAT = 1
"""Counts up when what `quantize_folder` writes changes."""
ARCHITECTURES = ("llama", "mistral", "qwen2", "qwen3")
"""Their `model_type`s; in all of them every matrix is an nn.Linear, which is what is replaced."""

_FILE = "int8.safetensors"  # not model.safetensors, which transformers would load and take the integers for weights
_BESIDE = (".json", ".jinja", ".txt", ".model")
_COMPUTE = torch.float32
_TOP = 127
_SMALLEST = torch.finfo(torch.float32).tiny


def quantize_rows(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """(rows, columns) of int8 and (rows) of float32 scales, with `matrix ≈ integers * scales`."""
    matrix = matrix.float()
    scales = matrix.abs().amax(-1, keepdim=True).clamp_min_(_SMALLEST).div_(_TOP)
    return (matrix / scales).round_().to(torch.int8), scales.squeeze(-1)


class PackedLinear(nn.Module):
    """
    An int8 linear layer on fbgemm, for x86 with VNNI; keeps its own copy of the weights, in the order that the CPU
    reads them.

    `weight` is (out, in) of int8, `scale` (out).
    """

    def __init__(self, weight: Tensor, scale: Tensor, bias: Tensor | None) -> None:
        super().__init__()
        self.bias = bias
        with _fbgemm():
            self._packed = torch.ops.quantized.linear_prepack(_as_quantized(weight, scale), None)

    def forward(self, x: Tensor) -> Tensor:
        rows = x.float()
        peak = _peak(rows)
        # each row lies within -1 and 1 now, so one fixed scale serves them all
        y = self._product(rows / peak)
        y = y.mul_(peak) if self.bias is None else torch.addcmul(self.bias, y, peak)
        return y.to(x.dtype)

    def _product(self, rows: Tensor) -> Tensor:
        """`rows` lie within -1 and 1."""
        return self._rounded_product(rows, _TOP)

    def _rounded_product(self, rows: Tensor, top: int) -> Tensor:
        """Of the rows in steps of 1 / `top`."""
        y: Tensor = torch.ops.quantized.linear_with_input_q_dq_qweight_dq_output_fp32(
            rows, 1 / top, top + 1, self._packed
        )
        return y


class TwoDigitLinear(PackedLinear):
    """
    The same for x86 without VNNI.

    There fbgemm adds two products in 16 bits, which they fit only if activations have seven bits: too few for a model
    to answer as before. So what seven bits leave of an activation has seven bits too, in rows of its own, which read
    the weights together with the others.
    """

    def _product(self, rows: Tensor) -> Tensor:
        top = _TOP // 2
        digits = rows.flatten(0, -2)
        scaled = digits * top
        rest = scaled.sub_(scaled.round()).mul_(2)
        high, low = self._rounded_product(torch.cat((digits, rest)), top).chunk(2)
        return high.add_(low, alpha=1 / (2 * top)).view(*rows.shape[:-1], -1)


class PlainLinear(nn.Module):
    """An int8 linear layer for other CPUs; computes with the weights where they lie, which may be a mapped file."""

    def __init__(self, weight: Tensor, scale: Tensor, bias: Tensor | None) -> None:
        super().__init__()
        self.weight = nn.Buffer(weight, persistent=False)
        self.scale = nn.Buffer(scale, persistent=False)
        self.bias = bias

    def forward(self, x: Tensor) -> Tensor:
        rows = x.float().flatten(0, -2)
        step = _peak(rows).div_(_TOP)
        integers = (rows / step).round_().to(torch.int8)
        y: Tensor = torch._int_mm(integers, self.weight.t()) * step
        y = y.mul_(self.scale) if self.bias is None else torch.addcmul(self.bias, y, self.scale)
        return y.view(*x.shape[:-1], -1).to(x.dtype)


class MappedEmbedding(nn.Module):
    """A table of int8 rows that stays in its file: rows are read through a mapping, and its pages are given back."""

    def __init__(self, file: Path, name: str, scale: Tensor) -> None:
        """`name` is that of the table among the file's tensors; `scale` is (rows)."""
        super().__init__()
        self.scale = nn.Buffer(scale[:, None], persistent=False)
        with file.open("rb") as opened:
            self._pages = mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_COPY)  # torch wants memory to write to
        begin, (rows, columns) = _place(self._pages, name)
        table = torch.frombuffer(self._pages, dtype=torch.int8, count=rows * columns, offset=begin)
        self.weight = nn.Buffer(table.view(rows, columns), persistent=False)

    def forward(self, ids: Tensor) -> Tensor:
        rows = self.weight[ids] * embedding(ids, self.scale)
        if hasattr(self._pages, "madvise"):
            # a row brings 64 KB around it into memory: some thousand tokens, and the whole table would be there
            self._pages.madvise(mmap.MADV_DONTNEED)
        return rows


def is_quantized_folder(folder: Path) -> bool:
    """Whether `load_quantized` is what loads it."""
    return (folder / _FILE).is_file()


def quantize_folder(source: Path, into: Path, *, progress: Progress) -> None:
    """
    Write the model of the folder `source`, whose weights are safetensors, in eight bits into the folder `into`.

    Raises:
        WeightsInvalid: `source` is not a whole model of a supported architecture.
    """
    model = _skeleton(source)
    matrices = {f"{name}.weight" for name, module in model.named_modules() if isinstance(module, _REPLACED)}
    tensors: dict[str, Tensor] = {}
    with _explained(source):
        files = sorted(source.glob("*.safetensors"))
        if not files:
            raise WeightsInvalid(f"{source} has no safetensors: choose another LARKWISE_LLM_MODEL")
        for name, tensor in _tensors(files, progress):
            if name in matrices:
                tensors[name], tensors[_scale_of(name)] = quantize_rows(tensor)
            else:
                tensors[name] = tensor.clone()
    _save(tensors, into / _FILE)
    for file in source.iterdir():
        if file.suffix in _BESIDE and not file.name.endswith(".index.json"):
            shutil.copyfile(file, into / file.name)


def load_quantized(folder: Path) -> PreTrainedModel:
    """
    The model that `quantize_folder` wrote, on the CPU, ready to answer; its `dtype` is float32.

    Raises:
        WeightsInvalid: the folder does not hold such a model, or not a whole one.
    """
    model = _skeleton(folder)
    table = model.get_input_embeddings()
    names = {module: name for name, module in model.named_modules()}
    tied = names[table] if model.config.tie_word_embeddings else None
    with _explained(folder):
        for module, name in names.items():
            if isinstance(module, _REPLACED):
                stored = tied if tied and module is model.get_output_embeddings() else name
                model.set_submodule(name, _replacement(module, folder / _FILE, name, stored))
        for name, parameter in list(model.named_parameters()):
            _set(model, name, _checked(_tensor(folder / _FILE, name), parameter, name).to(_COMPUTE, copy=True))
        if (folder / "generation_config.json").is_file():
            model.generation_config = GenerationConfig.from_pretrained(folder)
    ready: PreTrainedModel = model.eval()
    return ready


_REPLACED = (nn.Linear, nn.Embedding)


def _replacement(module: nn.Linear | nn.Embedding, file: Path, name: str, stored: str) -> nn.Module:
    weight = _checked(_tensor(file, f"{stored}.weight"), module.weight, name)
    scale = _tensor(file, _scale_of(f"{stored}.weight")).clone()
    if isinstance(module, nn.Embedding):
        return MappedEmbedding(file, f"{stored}.weight", scale)
    bias = None
    if "bias" in dict(module.named_parameters()):
        bias = _checked(_tensor(file, f"{name}.bias"), module.bias, name).to(_COMPUTE, copy=True)
    return _linear()(weight, scale, bias)


def _linear() -> type[PackedLinear | PlainLinear]:
    """What this processor multiplies fastest without losing what the model says."""
    if "fbgemm" not in torch.backends.quantized.supported_engines:
        return PlainLinear
    return PackedLinear if torch.cpu.get_capabilities().get("avx512_vnni") else TwoDigitLinear


def _skeleton(folder: Path) -> Any:
    """The model of a folder's configuration, without memory for its parameters."""
    with _explained(folder):
        config = AutoConfig.from_pretrained(folder)
    if config.model_type not in ARCHITECTURES or getattr(config, "quantization_config", None):
        raise WeightsInvalid(
            f"{folder} holds a model of the type {config.model_type!r}"
            f"{' that is quantized already' if config.model_type in ARCHITECTURES else ''}; int8 is for 16-bit models "
            f"of the types {', '.join(ARCHITECTURES)}: choose another LARKWISE_LLM_MODEL, or set "
            "LARKWISE_LLM_QUANTIZATION=none"
        )
    with torch.device("meta"):
        model: Any = AutoModelForCausalLM.from_config(config, dtype=_COMPUTE)  # type: ignore[no-untyped-call]
    body = model.base_model
    body.rotary_emb = type(body.rotary_emb)(config)  # its frequencies are computed, not stored
    return model


@contextmanager
def _explained(folder: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError, json.JSONDecodeError) as error:
        raise WeightsInvalid(
            f"{folder} does not hold a whole model ({error}): remove the folder and start again"
        ) from error


def _tensors(files: list[Path], progress: Progress) -> Iterator[tuple[str, Tensor]]:
    for number, file in enumerate(files):
        with safe_open(file, "pt") as weights:
            names = weights.keys()
            for done, name in enumerate(names):
                progress(f"quantizing {file.name}, {number + 1} of {len(files)}", done, len(names))
                yield name, weights.get_tensor(name)


def _tensor(file: Path, name: str) -> Tensor:
    """A view of the file; opened anew for each, so that its pages leave memory with the last view of them."""
    with safe_open(file, "pt") as weights:
        tensor: Tensor = weights.get_tensor(name)
    return tensor


def _place(pages: mmap.mmap, name: str) -> tuple[int, list[int]]:
    """Where a tensor begins in a safetensors file (a length, a header in JSON, the tensors), and its shape."""
    begin = 8 + int.from_bytes(pages[:8], "little")
    entry = json.loads(pages[8:begin])[name]
    return begin + entry["data_offsets"][0], entry["shape"]


def _checked(tensor: Tensor, expected: Tensor, name: str) -> Tensor:
    if tensor.shape != expected.shape:
        raise ValueError(f"{name} is {tuple(tensor.shape)} instead of {tuple(expected.shape)}")
    return tensor


def _save(tensors: dict[str, Tensor], file: Path) -> None:
    """
    Raises:
        OSError: it cannot be written; safetensors says this in an error of its own, with the number in its text.
    """
    try:
        save_file(tensors, file)
    except SafetensorError as error:
        number = re.search(r"os error (\d+)", str(error))
        raise OSError(int(number[1]) if number else errno.EIO, str(error)) from error
    file.chmod(0o644)  # it is written for its owner only; a cache may be shared


def _set(model: nn.Module, name: str, tensor: Tensor) -> None:
    owner, _, leaf = name.rpartition(".")
    setattr(model.get_submodule(owner), leaf, nn.Parameter(tensor, requires_grad=False))


def _scale_of(weight: str) -> str:
    return f"{weight.removesuffix('weight')}scale"


def _peak(rows: Tensor) -> Tensor:
    """Each row's largest magnitude; torch's norms and aminmax are 10 to 40 times as slow."""
    return rows.abs().amax(-1, keepdim=True).clamp_min_(_SMALLEST)


def _as_quantized(weight: Tensor, scale: Tensor) -> Tensor:
    """A quantized tensor on the memory of `weight`: a copy of each layer would leave as many holes in the heap."""
    zeros = torch.zeros(len(scale), dtype=torch.int64)
    with warnings.catch_warnings():
        # deprecated, and the only way to fbgemm; pyproject.toml pins the version of torch
        warnings.filterwarnings("ignore", message=".*quantized tensor creation functions", category=UserWarning)
        quantized = torch._empty_per_channel_affine_quantized(
            weight.shape, scales=scale.double(), zero_points=zeros, axis=0, dtype=torch.qint8
        )
    return quantized.set_(weight.untyped_storage(), weight.storage_offset(), weight.shape, weight.stride())


@contextmanager
def _fbgemm() -> Iterator[None]:
    """torch packs for the engine that is set for the process; what is packed keeps its own."""
    before = torch.backends.quantized.engine
    torch.backends.quantized.engine = "fbgemm"
    try:
        yield
    finally:
        torch.backends.quantized.engine = before
