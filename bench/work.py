"""How much an engine must read and compute at least, from the weights that it is given."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.results import Work

_TABLES = ("embed_tokens.weight", "token_embd.weight")
_HEADS = ("lm_head.weight", "output.weight")
"""In safetensors and in GGUF, whose layers have an `attn_output.weight` each."""


@dataclass(frozen=True, slots=True)
class _Tensor:
    name: str
    numbers: int
    size: int
    """In bytes."""

    @property
    def is_table(self) -> bool:
        """The input embedding: of it a token reads one row, unless it is the output head as well."""
        return self.name.rpartition("model.")[2] in _TABLES

    @property
    def is_head(self) -> bool:
        return self.name in _HEADS


def larkwise_work(folder: Path, *, engine: str, int8: bool) -> Work:
    """From safetensors in bf16, which INT8 halves; scales and biases are left out."""
    tensors = list(_safetensors(folder))
    size = sum(one.size for one in _read_by_a_step(tensors))
    return Work(engine, size // 2 if int8 else size, _operations(tensors), "int8" if int8 else "bf16")


def llama_work(gguf: Path, *, engine: str) -> Work:
    """From GGUF, as many bits as each tensor has; its matrices are multiplied in 8 bits."""
    tensors = list(_gguf(gguf))
    return Work(engine, sum(one.size for one in _read_by_a_step(tensors)), _operations(tensors), "int8")


def _read_by_a_step(tensors: list[_Tensor]) -> list[_Tensor]:
    apart = any(one.is_head for one in tensors)
    return [one for one in tensors if not (apart and one.is_table)]


def _operations(tensors: list[_Tensor]) -> int:
    """A multiplication and an addition for every weight; the head is needed for the last token only."""
    return 2 * sum(one.numbers for one in tensors if not one.is_table and not one.is_head)


def _safetensors(folder: Path) -> Iterator[_Tensor]:
    from safetensors import safe_open

    for file in sorted(folder.glob("*.safetensors")):
        with safe_open(file, framework="pt") as tensors:
            for name in tensors.keys():  # noqa: SIM118 - it is no mapping
                numbers = math.prod(tensors.get_slice(name).get_shape())
                yield _Tensor(name, numbers, 2 * numbers)


def _gguf(file: Path) -> Iterator[_Tensor]:
    from gguf import GGUFReader

    for tensor in GGUFReader(file).tensors:
        yield _Tensor(tensor.name, int(tensor.n_elements), int(tensor.n_bytes))
