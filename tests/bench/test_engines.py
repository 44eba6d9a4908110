"""Engines are started, asked and ended; the baseline with a real small model."""

from __future__ import annotations

from contextlib import aclosing
from pathlib import Path

import pytest

from bench.engines import Larkwise, LlamaServer, Pipeline, started
from bench.errors import EngineNotReady
from bench.load import closed_loop
from bench.targets import Message, Prompt
from bench.work import larkwise_work, llama_work
from models.weights import WeightsStore


def prompt(answer_tokens: int) -> Prompt:
    return Prompt((Message("user", "Count from one to ten."),), answer_tokens)


async def test_the_pipeline_answers_in_full_length_one_after_the_other(smollm2_folder: Path, tmp_path: Path) -> None:
    async with started(Pipeline(smollm2_folder, threads=1), log=tmp_path / "log") as running:
        window = await closed_loop(running.target, [prompt(6), prompt(6)], clients=2, meter=running.process)
        async with aclosing(running.target.stream(prompt(30))) as dropped:
            await anext(dropped)
        after = await closed_loop(running.target, [prompt(6)], clients=1, meter=running.process)

        assert running.process.resident_bytes() > 2**27

    assert [one.completion_tokens for one in (*window.answered, *after.answered)] == [6, 6, 6]
    assert window.cpu_s > 0
    with pytest.raises(Exception, match="ended"):
        running.process.server_cpu_s()


async def test_an_engine_that_ends_at_once_is_told_with_its_last_words(tmp_path: Path) -> None:
    binary = tmp_path / "llama-server"
    binary.write_text("#!/bin/sh\necho out of paper\nexit 1\n")
    binary.chmod(0o755)
    with pytest.raises(EngineNotReady, match="out of paper"):
        async with started(LlamaServer(binary, Path("x.gguf"), 1), log=tmp_path / "log"):
            pass


async def test_one_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(EngineNotReady, match="cannot be started"):
        async with started(LlamaServer(tmp_path / "missing", Path("x.gguf"), 1), log=tmp_path / "log"):
            pass


async def test_a_pipeline_without_a_model_is_told(tmp_path: Path) -> None:
    with pytest.raises(EngineNotReady, match="did not start"):
        async with started(Pipeline(tmp_path, 1), log=tmp_path / "log"):
            pass


def test_larkwise_is_started_with_its_settings() -> None:
    command = Larkwise("m", "int8", Path("data"), threads=2, variables={"LLM_MAX_RUNNING": "4"}).command

    assert {"LARKWISE_LLM_QUANTIZATION=int8", "LARKWISE_LLM_THREADS=2", "LARKWISE_LLM_MAX_RUNNING=4"} <= set(command)
    assert "LARKWISE_PORT=0" in command


def test_work_is_counted_from_the_weights(smollm2_folder: Path, weights: WeightsStore) -> None:
    bf16 = larkwise_work(smollm2_folder, engine="a", int8=False)
    int8 = larkwise_work(smollm2_folder, engine="b", int8=True)
    gguf = llama_work(next(weights.ensure("smollm2-135m-instruct").glob("*.gguf")), engine="c")

    assert bf16.step_bytes == pytest.approx(2 * 134.5e6, rel=0.01)  # 135 million weights, the head tied to the table
    assert int8.step_bytes == bf16.step_bytes // 2
    assert gguf.step_bytes < int8.step_bytes
    assert bf16.prompt_token_operations == pytest.approx(2 * 106.2e6, rel=0.01)
    assert gguf.prompt_token_operations == pytest.approx(bf16.prompt_token_operations, rel=0.01)
