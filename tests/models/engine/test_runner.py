"""The engine on real models: small ones, and tiny random ones of other families."""

from __future__ import annotations

import copy
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    GPT2Config,
    LlamaConfig,
    MambaConfig,
    MistralConfig,
    Qwen2Config,
)

from models.engine.batching import BatchingEngine
from models.engine.requests import CompletionRequest, Event, Failed, Finished, Token
from models.engine.runner import BLOCK_TOKENS, TransformersRunner
from models.engine.scheduler import EngineLimits
from models.engine.steps import Work
from models.errors import OutOfMemory, WeightsInvalid
from tests.models.engine.fakes import Notes

Auto: Any = AutoModelForCausalLM  # transformers leaves some of it without types
TINY: dict[str, Any] = {
    "vocab_size": 200,
    "hidden_size": 48,
    "intermediate_size": 96,
    "num_hidden_layers": 3,
    "num_attention_heads": 6,
    "num_key_value_heads": 2,
    "max_position_embeddings": 256,
    "pad_token_id": 0,
    "eos_token_id": 1,
    "bos_token_id": 2,
}
FAMILIES: dict[str, Any] = {
    "qwen2": Qwen2Config(**TINY),
    "llama": LlamaConfig(**TINY),
    "llama, tied, every head its own keys": LlamaConfig(**{**TINY, "num_key_value_heads": 6}, tie_word_embeddings=True),
    "mistral with a window": MistralConfig(**TINY, sliding_window=9),
    "qwen2 with a window in some layers": Qwen2Config(
        **TINY, use_sliding_window=True, sliding_window=9, max_window_layers=1
    ),
}


def tiny(config: Any) -> Any:
    torch.manual_seed(0)
    return Auto.from_config(copy.deepcopy(config)).float().eval()


class Collected:
    """What came of one request."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.done = threading.Event()

    def __call__(self, event: Event) -> None:
        self.events.append(event)
        if not isinstance(event, Token):
            self.done.set()

    def ids(self) -> list[int]:
        assert self.done.wait(60)
        assert isinstance(self.events[-1], Finished), self.events[-1]
        return [event.id for event in self.events if isinstance(event, Token)]


def prompts(vocabulary: int, lengths: tuple[int, ...] = (3, 40, 17, 71, 25, 2)) -> list[tuple[int, ...]]:
    random = torch.Generator().manual_seed(5)
    return [tuple(torch.randint(3, vocabulary, (length,), generator=random).tolist()) for length in lengths]


def generated(model: Any, prompt: tuple[int, ...], tokens: int) -> list[int]:
    """By transformers' own generate."""
    output = model.generate(
        torch.tensor([prompt]),
        attention_mask=torch.ones(1, len(prompt)),
        max_new_tokens=tokens,
        min_new_tokens=tokens,
        do_sample=False,
        pad_token_id=0,
    )
    ids: list[int] = output[0, len(prompt) :].tolist()
    return ids


def completed(engine: BatchingEngine, asked: list[tuple[int, ...]], tokens: int, **options: Any) -> list[list[int]]:
    """All at once."""
    waiting = []
    for prompt in asked:
        collected = Collected()
        engine.submit(CompletionRequest(prompt_ids=prompt, max_tokens=tokens, **options), collected)
        waiting.append(collected)
    return [collected.ids() for collected in waiting]


def engine_over(model: Any, **limits: Any) -> BatchingEngine:
    chosen = EngineLimits(**{"min_piece": 8, "max_piece": 16, **limits})
    return BatchingEngine(TransformersRunner(model, prefix_cache_bytes=chosen.prefix_cache_bytes), limits=chosen)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_batch_writes_what_generate_writes_for_each_alone(family: str) -> None:
    asked = prompts(200)
    model = tiny(FAMILIES[family])
    model.generation_config.eos_token_id = None  # as ours, which is given no stop
    alone = [generated(model, prompt, 12) for prompt in asked]
    engine = engine_over(model)
    try:
        assert completed(engine, asked, 12) == alone
    finally:
        engine.close()


@pytest.fixture(scope="module")
def reference(smollm2_folder: Path) -> Any:
    return Auto.from_pretrained(smollm2_folder, dtype=torch.float32).eval()


@pytest.fixture(scope="module")
def engine(smollm2_folder: Path) -> Iterator[BatchingEngine]:
    model = Auto.from_pretrained(smollm2_folder, dtype=torch.float32).eval()
    opened = BatchingEngine(TransformersRunner(model, prefix_cache_bytes=2**26, threads=1))
    yield opened
    opened.close()


def test_a_real_model_in_a_batch_writes_what_generate_writes(engine: BatchingEngine, reference: Any) -> None:
    asked = prompts(20_000, (30, 90, 7))
    reference.generation_config.eos_token_id = None
    assert completed(engine, asked, 10) == [generated(reference, prompt, 10) for prompt in asked]


def test_a_known_beginning_changes_nothing_but_the_work(smollm2_folder: Path, reference: Any) -> None:
    beginning, *ends = prompts(20_000, (4 * BLOCK_TOKENS, 9, 12))
    reference.generation_config.eos_token_id = None
    notes = Notes()
    model = Auto.from_pretrained(smollm2_folder, dtype=torch.float32).eval()
    engine = BatchingEngine(TransformersRunner(model, prefix_cache_bytes=2**26, threads=1), observer=notes)
    try:
        for end in ends:
            assert completed(engine, [beginning + end], 12) == [generated(reference, beginning + end, 12)]
        assert [facts.cached_tokens for facts in notes.requests] == [0, 4 * BLOCK_TOKENS]
        answer = generated(reference, beginning + ends[0], 12)
        completed(engine, [(*beginning, *ends[0], *answer, 5, 6, 7)], 2)
        assert notes.requests[-1].cached_tokens > 4 * BLOCK_TOKENS, "the conversation goes on from its last turn"
        assert 0 < engine.load().prefix_bytes <= 2**26
    finally:
        engine.close()


def test_in_bf16_answers_part_only_where_two_tokens_are_almost_equally_good(smollm2_folder: Path) -> None:
    epsilon = 0.25  # of a logit; bf16 has 8 bits, and SmolLM2's logits go up to 30
    model = Auto.from_pretrained(smollm2_folder, dtype=torch.bfloat16).eval()
    model.generation_config.eos_token_id = None
    asked = prompts(20_000, (30, 90, 7, 50))
    alone = [generated(model, prompt, 16) for prompt in asked]
    engine = engine_over(model, min_piece=32, max_piece=32)
    together = completed(engine, asked, 16)
    engine.close()
    model.set_attn_implementation("sdpa")
    for prompt, one, other in zip(asked, alone, together, strict=True):
        at = next((n for n in range(16) if one[n] != other[n]), None)
        if at is not None:
            with torch.inference_mode():
                logits = model(torch.tensor([[*prompt, *one[:at]]])).logits[0, -1].float()
            assert abs(float(logits[one[at]] - logits[other[at]])) < epsilon


def test_a_seed_gives_the_same_sample_alone_and_in_company(engine: BatchingEngine) -> None:
    asked = prompts(20_000, (12, 33, 5))
    options = {"temperature": 1.2, "top_p": 0.9, "seed": 11}
    alone = [completed(engine, [prompt], 8, **options)[0] for prompt in asked]
    assert completed(engine, asked, 8, **options) == alone


def test_the_model_that_fails_for_one_request_goes_on_for_the_others(engine: BatchingEngine) -> None:
    bad, *good = prompts(20_000, (10, 20, 8))
    alone = completed(engine, good, 8)

    def fail(_module: object, _args: object, given: dict[str, Any]) -> None:
        if bad[0] in given["input_ids"][0].tolist():
            raise RuntimeError("a broken kernel")

    hook = engine.runner.model.register_forward_pre_hook(fail, with_kwargs=True)  # type: ignore[attr-defined]
    base_hook = engine.runner.model.base_model.register_forward_pre_hook(fail, with_kwargs=True)  # type: ignore[attr-defined]
    collected = Collected()
    try:
        engine.submit(CompletionRequest(prompt_ids=bad, max_tokens=8), collected)
        assert completed(engine, good, 8) == alone
        assert collected.done.wait(30)
    finally:
        hook.remove()
        base_hook.remove()
    assert isinstance(collected.events[-1], Failed)
    assert engine.is_alive()


@pytest.mark.parametrize(
    ("config", "why"),
    [
        (MambaConfig(vocab_size=50, hidden_size=16, state_size=4, num_hidden_layers=1), "mamba"),
        (GPT2Config(vocab_size=50, n_embd=16, n_layer=1, n_head=2), None),
    ],
)
def test_an_architecture_that_does_not_fit_is_told_at_start(config: Any, why: str | None) -> None:
    model = Auto.from_config(config).eval()
    if why is None:  # another family that does fit
        TransformersRunner(model, prefix_cache_bytes=0)
        return
    with pytest.raises(WeightsInvalid, match=f"{why}.*LARKWISE_LLM_PROVIDER=hf-pipeline"):
        TransformersRunner(model, prefix_cache_bytes=0)


def test_a_prompt_for_which_there_is_no_memory_is_told_and_leaves_nothing_behind() -> None:
    runner = TransformersRunner(tiny(FAMILIES["llama"]), prefix_cache_bytes=0)
    with pytest.raises(OutOfMemory, match="LARKWISE_LLM_MAX_RUNNING"):
        runner.open(CompletionRequest(prompt_ids=(1,), max_tokens=2**45))
    runner.open(CompletionRequest(prompt_ids=(1,), max_tokens=10))


def test_memory_goes_back_when_a_slot_is_gone() -> None:
    runner = TransformersRunner(tiny(FAMILIES["llama"]), prefix_cache_bytes=0)
    slots = [runner.open(CompletionRequest(prompt_ids=(1,), max_tokens=500 + n)) for n in range(20)]
    sizes = sum(slot.cache.data.nbytes for slot, _ in slots)
    resident = _resident()
    for slot, _ in slots:
        slot.cache.data.fill_(1)
    assert _resident() - resident > sizes * 0.8
    del slots, slot
    assert _resident() - resident < sizes * 0.2


def _resident() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_it_runs_on_cuda_in_bf16() -> None:
    model = tiny(FAMILIES["qwen2"]).to("cuda", torch.bfloat16)
    engine = engine_over(model)
    try:
        assert all(len(ids) == 12 for ids in completed(engine, prompts(200), 12))
    finally:
        engine.close()


def test_work_can_be_given_again_after_a_failure() -> None:
    runner = TransformersRunner(tiny(FAMILIES["llama"]), prefix_cache_bytes=0)
    slot, _ = runner.open(CompletionRequest(prompt_ids=(5, 6, 7), max_tokens=4))
    work = [Work(slot, (5, 6, 7), 0, wants_token=True)]
    assert runner.run(work) == runner.run(work)
