"""
What this machine could do at most: how fast it reads memory, and how fast it multiplies matrices.

`python -m bench.bounds` prints one JSON object. It runs in a process of its own, so that its memory is gone afterwards.
Where torch sees a GPU it is the GPU that is measured, since that is where the model runs.
A bound is the best of several ways and repetitions: what was reached once can be reached.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Any

from bench.environment import cores
from bench.errors import BenchError

_ROWS, _INNER, _COLUMNS = 700, 1536, 8960
"""A prompt of 700 tokens through the widest layer of a 1.5B model."""
_READ_BYTES = 2**30
"""Far more than any cache holds."""
_REPEATS = 7
_ENOUGH_S = 3.0
"""What takes long differs little from one time to the next; some processors take seconds for bfloat16."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """Reading in GB/s, matrices in billions of operations a second (a multiplication and an addition are two)."""

    threads: int
    read_gb_s: float
    read_one_thread_gb_s: float
    gemm_fp32_gops: float
    gemm_bf16_gops: float
    gemm_int8_gops: float
    device: str = "cpu"


def measured_apart(environment: Mapping[str, str] = MappingProxyType({})) -> Bounds:
    """
    Measure in a process of its own; takes some ten seconds. `environment` is what it sees beside what we see.

    Raises:
        BenchError: it did not end well.
    """
    variables = ["env", *(f"{name}={value}" for name, value in environment.items())] if environment else []
    command = [*variables, sys.executable, "-m", "bench.bounds"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, process_group=0)  # Ctrl-C is for us
    if done.returncode != 0:
        raise BenchError(f"the bounds could not be measured: {done.stderr.strip()[-300:]}")
    return Bounds(**json.loads(done.stdout.splitlines()[-1]))


def measure(threads: int) -> Bounds:
    import torch

    if torch.cuda.is_available():
        return _measure_gpu(threads)
    torch.set_num_threads(1)
    one_thread = _read_gb_s("cpu")
    torch.set_num_threads(threads)
    return Bounds(
        threads=threads,
        read_gb_s=max(one_thread, _read_gb_s("cpu")),
        read_one_thread_gb_s=one_thread,
        gemm_fp32_gops=_gemm_gops(torch.float32, "cpu"),
        gemm_bf16_gops=_gemm_gops(torch.bfloat16, "cpu"),
        gemm_int8_gops=max(_int_mm_gops("cpu"), _fbgemm_gops()),
    )


def _measure_gpu(threads: int) -> Bounds:
    import torch

    read = _read_gb_s("cuda")
    return Bounds(
        threads=threads,
        read_gb_s=read,
        read_one_thread_gb_s=read,
        gemm_fp32_gops=_gemm_gops(torch.float32, "cuda"),
        gemm_bf16_gops=_gemm_gops(torch.bfloat16, "cuda"),
        gemm_int8_gops=_int_mm_gops("cuda"),
        device=torch.cuda.get_device_name(),
    )


def _read_gb_s(device: str) -> float:
    import torch

    numbers = torch.ones(_READ_BYTES // 4, device=device)
    integers = numbers.view(torch.int32)
    matrix = numbers.view(-1, 4096)
    vector = torch.ones(4096, device=device)
    ways: tuple[Callable[[], object], ...] = (numbers.sum, integers.max, lambda: torch.mv(matrix, vector))
    return _READ_BYTES / min(_best_s(way) for way in ways) / 1e9


def _gemm_gops(dtype: Any, device: str) -> float:
    import torch

    left = torch.rand(_ROWS, _INNER, device=device).to(dtype)
    weight = torch.rand(_COLUMNS, _INNER, device=device).to(dtype)
    return _gops(lambda: torch.nn.functional.linear(left, weight))


def _int_mm_gops(device: str) -> float:
    import torch

    rows = _ROWS // 8 * 8  # what the GPU's kernel wants
    left = torch.randint(-127, 127, (rows, _INNER), dtype=torch.int8, device=device)
    weight = torch.randint(-127, 127, (_COLUMNS, _INNER), dtype=torch.int8, device=device).t()
    return _gops(lambda: torch._int_mm(left, weight)) * rows / _ROWS


def _fbgemm_gops() -> float:
    """0 where this build of torch has no quantized linear."""
    import torch

    try:
        scales, zeros = torch.ones(_COLUMNS), torch.zeros(_COLUMNS, dtype=torch.int64)
        weight = torch.quantize_per_channel(torch.rand(_COLUMNS, _INNER) * 100, scales, zeros, 0, torch.qint8)
        packed = torch.ops.quantized.linear_prepack(weight, None)
    except (RuntimeError, NotImplementedError, AttributeError):
        return 0.0
    left = torch.rand(_ROWS, _INNER)
    return _gops(lambda: torch.ops.quantized.linear_dynamic(left, packed, reduce_range=False))


def _gops(multiply: Callable[[], object]) -> float:
    return 2 * _ROWS * _INNER * _COLUMNS / _best_s(multiply) / 1e9


def _best_s(work: Callable[[], object]) -> float:
    _ended(work)
    seconds: list[float] = []
    while len(seconds) < _REPEATS and sum(seconds) < _ENOUGH_S:
        began = time.perf_counter()
        _ended(work)
        seconds.append(time.perf_counter() - began)
    return min(seconds)


def _ended(work: Callable[[], object]) -> None:
    """A GPU only begins with what it is told."""
    import torch

    work()
    if torch.cuda.is_available():
        torch.cuda.synchronize()


if __name__ == "__main__":
    print(json.dumps(asdict(measure(cores()))))
