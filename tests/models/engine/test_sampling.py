"""How a token is chosen."""

from __future__ import annotations

from collections import Counter

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import TopPLogitsWarper

from models.engine.requests import CompletionRequest
from models.engine.sampling import SHORTLIST, Sampler

CPU = torch.device("cpu")


def sampler(*, temperature: float = 1.0, top_p: float = 1.0, seed: int | None = 1) -> Sampler:
    request = CompletionRequest(prompt_ids=(1,), max_tokens=1, temperature=temperature, top_p=top_p, seed=seed)
    return Sampler(request, device=CPU)


def test_zero_temperature_takes_the_likeliest() -> None:
    assert sampler(temperature=0).choose(torch.tensor([0.1, 3.0, 2.9])).id == 1


def test_a_seed_repeats_its_choices() -> None:
    logits = torch.linspace(0, 1, 100)
    one, two = sampler(seed=7), sampler(seed=7)
    assert [one.choose(logits) for _ in range(20)] == [two.choose(logits) for _ in range(20)]


def test_tokens_come_as_often_as_they_are_likely() -> None:
    logits = torch.tensor([0.5, 0.3, 0.15, 0.05]).log()
    chosen = sampler(top_p=0.9)
    counts = Counter(chosen.choose(logits).id for _ in range(4000))
    assert counts[3] == 0
    assert counts[0] / 4000 == pytest.approx(0.5 / 0.95, abs=0.03)


@given(st.integers(0, 10_000), st.floats(0.0, 0.99), st.floats(0.1, 2.0), st.integers(2, 3000))
@settings(max_examples=60, deadline=None)
def test_the_nucleus_is_the_one_that_transformers_finds(
    seed: int, top_p: float, temperature: float, vocabulary: int
) -> None:
    logits = torch.randn(vocabulary, generator=torch.Generator().manual_seed(seed)) * 3
    kept = TopPLogitsWarper(top_p)(torch.empty((1, 0), dtype=torch.long), logits[None] / temperature)[0]
    likeliest = sampler(temperature=temperature, top_p=top_p)._shortlisted(logits)
    if likeliest is None:
        assert int(torch.isfinite(kept).sum()) > SHORTLIST
        return
    expected = set(torch.isfinite(kept).nonzero().flatten().tolist())
    # cumulative sums in another order may differ in the last bit, at the token that reaches top_p
    assert len(expected ^ set(likeliest[1].tolist())) <= 1


def test_where_the_shortlist_is_too_short_the_whole_vocabulary_is_looked_at() -> None:
    chosen = sampler(top_p=0.99)
    flat = torch.zeros(4 * SHORTLIST)
    assert chosen._shortlisted(flat) is None
    assert 0 <= chosen.choose(flat).id < 4 * SHORTLIST


def test_a_token_comes_with_the_probability_that_the_model_itself_gave_it() -> None:
    logits = torch.tensor([0.0, 1.0, 2.0])
    expected = logits.log_softmax(dim=-1)
    assert sampler(temperature=0).choose(logits).log_probability == pytest.approx(float(expected[2]))
    drawn = sampler(temperature=2.0, seed=1).choose(logits)
    assert drawn.log_probability == pytest.approx(float(expected[drawn.id]))
