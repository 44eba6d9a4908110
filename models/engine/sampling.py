"""From the logits of one position to a token id."""

from __future__ import annotations

from typing import Any

import torch
from transformers import LogitsProcessorList, TemperatureLogitsWarper, TopPLogitsWarper

from models.engine.requests import CompletionRequest


class Sampler:
    """Chooses one request's tokens; its random numbers are its own, so neighbours never change an answer."""

    def __init__(self, request: CompletionRequest, *, device: torch.device) -> None:
        self._greedy = request.temperature == 0
        self._warpers = LogitsProcessorList()
        if self._greedy:
            return
        self._warpers.append(TemperatureLogitsWarper(request.temperature))
        if request.top_p < 1:
            self._warpers.append(TopPLogitsWarper(request.top_p))
        self._generator = torch.Generator(device=device)
        if request.seed is None:
            self._generator.seed()
        else:
            self._generator.manual_seed(request.seed)

    def choose(self, logits: torch.Tensor) -> int:
        """`logits` is (1, vocabulary); the id of the chosen token."""
        if self._greedy:
            return int(logits.argmax(dim=-1).item())
        no_tokens: Any = torch.empty((1, 0), dtype=torch.long)
        scores = self._warpers(no_tokens, logits.float())
        return int(torch.multinomial(scores.softmax(dim=-1), 1, generator=self._generator).item())
