"""Which sets are put to whom, with a real small model."""

from __future__ import annotations

from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app.settings import load_settings
from bench.errors import EngineNotReady, InvalidDataset, NotScored
from bench.report.config import Config
from bench.report.config_file import config_of
from bench.report.examining import Examination
from bench.report.judging import ask_handbook, read_answers, score_choices, settings_of
from bench.report.preparing import Prepared, prepare
from bench.report.records import LeftOut, Question, Run
from bench.report.subjects import Surroundings
from models.weights import no_progress
from tests.bench.report.made import answered, judgement, measured, run_of

GEOGRAPHY = (
    "Which is a river?,Nile,Alps,Sahara,Paris,A\n"
    "Which is a desert?,Nile,Alps,Sahara,Paris,C\n"
    "Which is a city?,Nile,Alps,Sahara,Paris,D\n"
)


@pytest.fixture
def config(tmp_path: Path, smollm2_folder: Path) -> Config:
    """The same weights twice, a server, and a set of three questions."""
    (tmp_path / "geography").mkdir()
    (tmp_path / "geography" / "test.csv").write_text(GEOGRAPHY)
    return config_of(
        {
            "model": str(smollm2_folder),
            "variants": [
                {"name": "hf", "provider": "hf-pipeline"},
                {"name": "bf16"},
                {"name": "server", "provider": "openai", "url": "http://127.0.0.1:1"},
            ],
            "scenarios": [{"name": "x", "clients": 1, "requests": 1}],
            "accuracy": {"handbook": False, "choices": [{"folder": "geography", "shots": 0}]},
        },
        "test",
        folder=tmp_path,
    )


def prepared_for(config: Config, *, on_gpu: bool = False) -> Prepared:
    return prepare(config, load_settings(offline=True), progress=no_progress, on_gpu=on_gpu)


def surroundings(folder: Path) -> Surroundings:
    return Surroundings(folder, folder / "logs", 1, 8, 100, {}, "")


async def at_once(work: Coroutine[Any, Any, Any]) -> Any:
    return await work


def nothing_judged(config: Config) -> Run:
    run = run_of(*(measured(name, "x", [answered("0")]) for name in config.names))
    return replace(run, config=config)


async def test_choices_are_scored_once_for_the_same_weights_and_not_at_all_on_servers(
    config: Config, tmp_path: Path
) -> None:
    said: list[str] = []
    examination = Examination(prepared_for(config), config, surroundings(tmp_path), said.append)
    *_, run = [one async for one in examination.of(nothing_judged(config), at_once)]

    (judged,) = run.judged
    assert (judged.variant, judged.set, judged.kind, len(judged.questions)) == ("bf16", "geography", "choices", 3)
    assert {question.id for question in judged.questions} == {"test/1", "test/2", "test/3"}
    assert run.left_out == (
        LeftOut("server", "geography", "no log-likelihoods"),
        LeftOut("hf", "geography", "same weights", "bf16"),
    )
    assert "geography: bf16, 3 of 3" in said


async def test_what_was_answered_is_not_asked_again(config: Config, tmp_path: Path) -> None:
    examination = Examination(prepared_for(config), config, surroundings(tmp_path), print)
    begun = replace(nothing_judged(config), judged=(judgement("bf16", 2, 3, "geography"),))
    *_, run = [one async for one in examination.of(begun, at_once)]

    assert run.judged == begun.judged


class Enough(Exception):
    """The person has had enough."""


async def test_of_a_set_that_was_stopped_only_what_is_missing_is_asked(config: Config, tmp_path: Path) -> None:
    examination = Examination(prepared_for(config), config, surroundings(tmp_path), print)
    run = nothing_judged(config)

    async def two(work: Coroutine[Any, Any, Any]) -> Any:
        if run.judged and len(run.judged[0].questions) == 2:
            work.close()
            raise Enough
        return await work

    with suppress(Enough):
        async for change in examination.of(run, two):
            run = change
    (partial,) = run.judged
    assert (len(partial.questions), partial.whole) == (2, False)

    said: list[str] = []
    *_, whole = [
        one
        async for one in Examination(examination._prepared, config, surroundings(tmp_path), said.append).of(
            run, at_once
        )
    ]
    (judged,) = whole.judged
    assert (judged.questions[:2], len(judged.questions), judged.whole) == (partial.questions, 3, True)
    assert "geography: bf16, 1 of 1" in said


def test_answers_are_read_while_they_are_written(tmp_path: Path) -> None:
    line = '{"id": "q1", "answerable": true, "contains": true, "refused": false}'
    (tmp_path / "answers.jsonl").write_text(f'{{"kind": "answers"}}\n{line}\n{line[:20]}')

    assert read_answers(tmp_path / "answers.jsonl") == (Question("q1", right=True),)
    assert read_answers(tmp_path / "none.jsonl") == ()


async def test_a_model_that_cannot_be_loaded_is_told(tmp_path: Path) -> None:
    with pytest.raises(NotScored, match="has ended"):
        async for _ in score_choices(
            tmp_path, [], threads=1, environment={}, log=tmp_path / "log", progress=lambda done, of: None
        ):
            pass


async def test_a_handbook_that_nobody_can_answer_is_told(tmp_path: Path) -> None:
    """The settings name a model that does not exist."""
    with pytest.raises(NotScored, match="questions were not answered"):
        await ask_handbook(
            {"LLM_MODEL": "no-such-model", "OFFLINE": "true"},
            limit=1,
            file=tmp_path / "answers.jsonl",
            data_dir=tmp_path / "data",
            log=tmp_path / "log",
            environment={},
        )


def test_each_way_of_running_has_its_settings(config: Config) -> None:
    prepared = prepared_for(config)
    settings = {one.name: settings_of(one, threads=2, url="http://x", model="m") for one in prepared.variants}

    assert settings["server"] == {"LLM_PROVIDER": "openai", "LLM_BASE_URL": "http://x/v1", "LLM_MODEL": "m"}
    assert settings["bf16"]["LLM_PROVIDER"] == "local"
    assert settings["bf16"]["LLM_QUANTIZATION"] == "none"
    assert settings["hf"]["LLM_PROVIDER"] == "hf-pipeline"


def test_weights_are_counted_and_tokens_too(config: Config) -> None:
    prepared = prepared_for(config)

    assert [one.name for one in prepared.variants] == ["hf", "bf16", "server"]
    assert prepared.of("bf16").facts.step_bytes == pytest.approx(2 * 134.5e6, rel=0.01)
    assert prepared.of("server").facts.step_bytes is None
    assert prepared.counter.text("one two three") == 3
    assert len(prepared.sets[0].questions) == 3


def test_what_cannot_be_measured_here_is_left_out_with_its_reason(config: Config, smollm2_folder: Path) -> None:
    odd = config_of(
        {
            "model": str(smollm2_folder),
            "variants": [
                {"name": "int8", "precision": "int8"},
                {"name": "lc", "provider": "llama-cpp", "binary": __file__},
            ],
            "scenarios": [{"name": "x", "clients": 1, "requests": 1}],
        },
        "test",
    )
    with pytest.raises(EngineNotReady, match="nothing can be measured: int8: INT8 on a GPU; lc: no GGUF"):
        prepared_for(odd, on_gpu=True)


def test_a_set_that_cannot_be_read_is_told_before_weights_are_fetched(config: Config, tmp_path: Path) -> None:
    (tmp_path / "geography" / "test.csv").write_text("no questions\n")
    with pytest.raises(InvalidDataset, match=r"test\.csv, row 1, has 1 columns"):
        prepared_for(config)
