"""
Attention over sequences of different lengths in one row of tokens.

transformers gives an attention function the new queries, keys and values of all tokens of a step. The ones here
belong to several sequences, one after the other (the `Span`s); each attends to its own past only. So no token is
computed for padding, and a neighbour cannot change an answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface

from models.engine.memory import room

RAGGED = "larkwise_ragged"
"""The name under which transformers knows it."""


class KeyValues:
    """The keys and values of one sequence: `data` is (layers, 2, key-value heads, capacity, head size)."""

    def __init__(
        self, *, layers: int, heads: int, capacity: int, head_size: int, dtype: torch.dtype, device: torch.device
    ) -> None:
        self.data = room((layers, 2, heads, capacity, head_size), dtype=dtype, device=device)

    def write(self, layer: int, start: int, keys: torch.Tensor, values: torch.Tensor) -> None:
        """Both (heads, tokens, head size), for the positions from `start` on."""
        end = start + keys.shape[1]
        self.data[layer, 0, :, start:end] = keys
        self.data[layer, 1, :, start:end] = values

    def until(self, layer: int, begin: int, end: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Keys and values of the positions from `begin` to before `end`: (1, heads, tokens, head size) each."""
        both = self.data[layer, :, None, :, begin:end]
        return both[0], both[1]


@dataclass(slots=True)
class Span:
    """The tokens `first` to before `last` of the row: those of one sequence, from its position `start` on."""

    cache: KeyValues
    first: int
    last: int
    start: int
    masks: dict[tuple[int, int | None], torch.Tensor] = field(default_factory=dict)
    """Made in the first layer, and the same in all that follow."""


def register() -> None:
    """Make `RAGGED` known to transformers; again does no harm."""
    AttentionInterface.register(RAGGED, ragged_attention)


def ragged_attention(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    *,
    spans: Sequence[Span],
    scaling: float | None = None,
    sliding_window: int | None = None,
    softcap: float | None = None,
    **_ignored: Any,
) -> tuple[torch.Tensor, None]:
    """
    `query` is (1, heads, tokens, head size), `key` and `value` the same with key-value heads; the result is
    (1, tokens, heads, head size).

    Raises:
        NotImplementedError: the model caps its attention scores, which torch's attention cannot.
    """
    if softcap is not None:
        raise NotImplementedError("attention scores with a cap")
    layer: int = module.layer_idx
    _, heads, tokens, head_size = query.shape
    output = query.new_zeros((1, tokens, heads, head_size))  # what belongs to nobody should still be a number
    for span in spans:
        rows = slice(span.first, span.last)
        span.cache.write(layer, span.start, key[0, :, rows], value[0, :, rows])
        output[0, rows] = _attend(query[:, :, rows], layer, span, scaling, sliding_window)
    return output, None


def _attend(query: torch.Tensor, layer: int, span: Span, scaling: float | None, window: int | None) -> torch.Tensor:
    """(tokens, heads, head size), of one sequence; query heads that share keys are packed into one."""
    _, heads, tokens, head_size = query.shape
    end = span.start + tokens
    begin = 0 if window is None else max(0, span.start - window + 1)
    keys, values = span.cache.until(layer, begin, end)
    shared = keys.shape[1]
    packed = query.to(keys.dtype).reshape(1, shared, heads // shared * tokens, head_size)
    mask = None if tokens == 1 else _mask(span, heads // shared, tokens, begin, window, keys)
    found = scaled_dot_product_attention(packed, keys, values, attn_mask=mask, scale=scaling)
    return found.reshape(heads, tokens, head_size).transpose(0, 1)


def _mask(span: Span, group: int, tokens: int, begin: int, window: int | None, keys: torch.Tensor) -> torch.Tensor:
    """Added to the scores, (group · tokens, keys): no token sees one after it, or one before its window."""
    known = span.masks.get((group, window))
    if known is not None:
        return known
    asking = torch.arange(span.start, span.start + tokens, device=keys.device)[:, None]
    asked = torch.arange(begin, span.start + tokens, device=keys.device)[None, :]
    hidden = asked > asking
    if window is not None:
        hidden |= asked <= asking - window
    mask = torch.zeros(hidden.shape, dtype=keys.dtype, device=keys.device).masked_fill_(hidden, -torch.inf)
    span.masks[group, window] = mask.repeat(group, 1)
    return span.masks[group, window]
