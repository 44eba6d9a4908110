"""From the logits of one position to a token id."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from transformers import LogitsProcessorList, TemperatureLogitsWarper, TopPLogitsWarper

from models.engine.requests import CompletionRequest

_COLDEST = 1e-5
"""Below, the likeliest token has all of the probability, and dividing by it would leave no numbers."""
SHORTLIST = 1024
"""Likeliest tokens among which a nucleus is looked for first: sorting a whole vocabulary takes ten times as long."""


class Chosen(NamedTuple):
    """A token's id, and the natural logarithm of the probability that the model itself gave it."""

    id: int
    log_probability: float


class Sampler:
    """Chooses one request's tokens; its random numbers are its own, so neighbours never change an answer."""

    def __init__(self, request: CompletionRequest, *, device: torch.device) -> None:
        self._greedy = request.temperature < _COLDEST
        self._temperature = request.temperature
        self._top_p = request.top_p
        self._warpers = LogitsProcessorList()
        if self._greedy:
            return
        self._warpers.append(TemperatureLogitsWarper(float(request.temperature)))
        if request.top_p < 1:
            self._warpers.append(TopPLogitsWarper(float(request.top_p)))
        self._generator = torch.Generator(device=device)
        if request.seed is None:
            self._generator.seed()
        else:
            self._generator.manual_seed(request.seed)

    def choose(self, logits: torch.Tensor) -> Chosen:
        """`logits` is (vocabulary,)."""
        scores = logits.float()
        chosen = int(logits.argmax().item()) if self._greedy else self._sampled(scores)
        return Chosen(chosen, float(scores[chosen] - scores.logsumexp(dim=-1)))

    def _sampled(self, scores: torch.Tensor) -> int:
        if self._top_p < 1:
            nucleus = self._shortlisted(scores)
            if nucleus is not None:
                return self._draw(*nucleus)
        return self._draw(self._warped(scores).softmax(dim=-1), None)

    def _shortlisted(self, scores: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor] | None:
        """Probabilities and ids of the nucleus, the same that the warpers find; None if the shortlist is too short."""
        values, ids = (scores / self._temperature).topk(min(SHORTLIST, len(scores)))
        whole = (scores / self._temperature).logsumexp(dim=-1)
        probabilities = (values - whole).exp()
        reached = probabilities.cumsum(dim=-1)
        if reached[-1] < self._top_p:
            return None
        size = int((reached < self._top_p).sum()) + 1  # the token that reaches it is in
        return probabilities[:size], ids[:size]

    def _warped(self, scores: torch.Tensor) -> torch.Tensor:
        no_tokens: Any = torch.empty((1, 0), dtype=torch.long)
        warped: torch.Tensor = self._warpers(no_tokens, scores[None])[0]
        return warped

    def _draw(self, probabilities: torch.Tensor, ids: torch.Tensor | None) -> int:
        drawn = torch.multinomial(probabilities, 1, generator=self._generator)
        return int((drawn if ids is None else ids[drawn]).item())
