"""Runs a transformers causal language model over rows of tokens that belong to several sequences."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from models.engine.attention import RAGGED, KeyValues, Span, register
from models.engine.memory import room, trimmer
from models.engine.prefixes import PrefixCache
from models.engine.requests import CompletionRequest
from models.engine.sampling import Chosen, Sampler
from models.engine.scheduler import ROW_MULTIPLE
from models.engine.steps import Work
from models.errors import OutOfMemory, WeightsInvalid

logger = logging.getLogger(__name__)

_TRIM_EVERY = 8
"""Requests; it takes some milliseconds."""
BLOCK_TOKENS = 16
"""Beginnings are shared in whole blocks of so many tokens."""
_FULL, _SLIDING = "full_attention", "sliding_attention"


@dataclass(frozen=True, slots=True)
class Slot:
    """What one request has on the device."""

    cache: KeyValues
    sampler: Sampler


@dataclass(frozen=True, slots=True)
class _Shape:
    layers: int
    heads: int
    head_size: int


class TransformersRunner:
    """
    One model on one device.

    `threads` is how many threads torch may use for one step: on a machine that is busy with other work,
    fewer are faster, because the threads of a step wait for each other. `dtype` is that of keys and values.
    """

    def __init__(
        self, model: Any, *, prefix_cache_bytes: int, threads: int | None = None, dtype: torch.dtype | None = None
    ) -> None:
        """
        Raises:
            WeightsInvalid: the model's layers are not of a kind that can be run this way.
        """
        register()
        self.model = model
        self._threads = threads
        self._device: torch.device = model.device
        self._dtype = dtype or model.dtype
        self._shape = _shape_of(model.config)
        self._trim = trimmer()
        self._closed = 0
        self._prefixes: PrefixCache[torch.Tensor] = PrefixCache(
            block_tokens=BLOCK_TOKENS, budget_bytes=prefix_cache_bytes, size_of=_bytes_of
        )
        model.set_attn_implementation(RAGGED)
        self._try_out()

    @property
    def prefix_bytes(self) -> int:
        return self._prefixes.bytes

    def begin(self) -> None:
        if self._threads is not None:
            torch.set_num_threads(self._threads)  # of the calling thread: of this engine's steps

    def open(self, request: CompletionRequest) -> tuple[Slot, int]:
        cache = self._key_values(len(request.prompt_ids) + request.max_tokens)
        # the last token of the prompt is always read, because what follows it is asked for
        blocks = self._prefixes.longest(request.prompt_ids[:-1])
        for number, block in enumerate(blocks):
            cache.data[:, :, :, number * BLOCK_TOKENS : (number + 1) * BLOCK_TOKENS] = block
        return Slot(cache, Sampler(request, device=self._device)), len(blocks) * BLOCK_TOKENS

    @torch.inference_mode()
    def run(self, work: Sequence[Work]) -> list[Chosen | None]:
        spans = list(_spans(work))
        logits = self._forward(work, spans)  # (pieces that want a token, vocabulary)
        rows = iter(range(len(logits)))
        return [one.slot.sampler.choose(logits[next(rows)]) if one.wants_token else None for one in work]

    def remember(self, slot: Slot, ids: Sequence[int]) -> None:
        def block_at(start: int) -> torch.Tensor:
            known = slot.cache.data[:, :, :, start : start + BLOCK_TOKENS]
            return room(known.shape, dtype=known.dtype, device=known.device).copy_(known)

        try:
            self._prefixes.keep(ids, block_at)
        except (OSError, RuntimeError, MemoryError) as error:
            logger.warning("a beginning is not kept, since there is no memory for it: %s", error)

    def close_slot(self, slot: Slot) -> None:
        """The slot's own memory is free when nobody holds it; now and then what is left around it goes back too."""
        self._closed += 1
        if self._closed % _TRIM_EVERY == 0:
            self._trim()

    def _forward(self, work: Sequence[Work], spans: Sequence[Span]) -> torch.Tensor:
        row = [token for one in work for token in one.ids]
        positions = [one.start + at for one in work for at in range(len(one.ids))]
        wanted = [span.last - 1 for one, span in zip(work, spans, strict=True) if one.wants_token]
        padding = [0] * _padding(len(row))
        inputs: dict[str, Any] = {
            "input_ids": torch.tensor([row + padding], device=self._device),  # (1, tokens)
            "position_ids": torch.tensor([positions + padding], device=self._device),
            "use_cache": False,  # ours is the attention's
            "spans": spans,
        }
        if not wanted:
            self.model.base_model(**inputs)  # a prompt is not at its end: no need to ask for the next token
            return torch.empty((0, 0))
        output = self.model(**inputs, logits_to_keep=torch.tensor(wanted, device=self._device))
        logits: torch.Tensor = output.logits[0]
        return logits

    def _key_values(self, capacity: int) -> KeyValues:
        shape = self._shape
        try:
            return KeyValues(
                layers=shape.layers,
                heads=shape.heads,
                capacity=capacity,
                head_size=shape.head_size,
                dtype=self._dtype,
                device=self._device,
            )
        except (OSError, RuntimeError, MemoryError) as error:  # of the system, of torch, of Python
            raise OutOfMemory(
                f"there is no memory for {capacity} more tokens; ask for less, or lower LARKWISE_LLM_MAX_RUNNING"
            ) from error

    @torch.inference_mode()
    def _try_out(self) -> None:
        """Two tokens through the model, so that an architecture that does not fit is told at start."""
        cache = self._key_values(2)
        try:
            for position in range(2):
                self.run([Work(Slot(cache, _greedy(self._device)), (0,), position, wants_token=True)])
        except (NotImplementedError, RuntimeError, TypeError, AttributeError, ValueError, IndexError) as error:
            raise WeightsInvalid(f"{_cannot_run(self.model.config)} ({error}): {_INSTEAD}") from error


_INSTEAD = "choose another LARKWISE_LLM_MODEL, or set LARKWISE_LLM_PROVIDER=hf-pipeline"


def _cannot_run(config: Any) -> str:
    return f"the engine cannot run models of the type {config.model_type!r}"


def _shape_of(config: Any) -> _Shape:
    kinds = set(getattr(config, "layer_types", None) or [_FULL])
    if not kinds <= {_FULL, _SLIDING}:
        raise WeightsInvalid(
            f"{_cannot_run(config)} (layers of the kind {', '.join(sorted(kinds - {_FULL, _SLIDING}))}): {_INSTEAD}"
        )
    try:
        heads: int = config.num_attention_heads
        return _Shape(
            layers=config.num_hidden_layers,
            heads=getattr(config, "num_key_value_heads", None) or heads,
            head_size=getattr(config, "head_dim", None) or config.hidden_size // heads,
        )
    except AttributeError as error:
        raise WeightsInvalid(f"{_cannot_run(config)} ({error}): {_INSTEAD}") from error


def _spans(work: Iterable[Work]) -> Iterable[Span]:
    first = 0
    for one in work:
        last = first + len(one.ids)
        yield Span(one.slot.cache, first, last, one.start)
        first = last


def _padding(tokens: int) -> int:
    """
    Tokens of nobody, so that steps come in few widths: oneDNN makes a kernel for each width and keeps a thousand of
    them, which is half a gigabyte.
    """
    return 0 if tokens <= ROW_MULTIPLE // 2 else -tokens % ROW_MULTIPLE


def _bytes_of(block: torch.Tensor) -> int:
    return block.numel() * block.element_size()


def _greedy(device: torch.device) -> Sampler:
    return Sampler(CompletionRequest(prompt_ids=(0,), max_tokens=1), device=device)
