"""Memory that is large, lives for a while, and should be gone when it is free."""

from __future__ import annotations

import ctypes
import math
import mmap
from collections.abc import Callable, Sequence

import torch

_WORTH_MAPPING = 2**17
"""Bytes; the system allows a process some ten thousands of mappings, and each takes whole pages."""


def room(shape: Sequence[int], *, dtype: torch.dtype, device: torch.device) -> torch.Tensor:
    """
    A tensor of any content, whose memory goes back to the system as soon as nobody holds it.

    On a CPU it is mapped rather than taken from malloc: caches of all sizes come and go between small and
    long-lived pieces, and malloc's heap would grow by hundreds of megabytes with the holes that they leave.

    Raises:
        OSError, RuntimeError, MemoryError: there is not so much.
    """
    size = math.prod(shape) * dtype.itemsize
    if device.type != "cpu" or size < _WORTH_MAPPING:
        return torch.empty(tuple(shape), dtype=dtype, device=device)
    mapped = mmap.mmap(-1, size)
    return torch.frombuffer(mapped, dtype=dtype).view(tuple(shape))


def trimmer() -> Callable[[], None]:
    """
    What gives free memory back to the system, where the C library can; else it does nothing.

    Every step makes and frees tensors of other sizes, and glibc keeps the pages of the holes that they leave between
    longer-lived ones: a busy server grew by two megabytes a second, nearly all of it free.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    return (lambda: trim(0)) if trim else (lambda: None)
