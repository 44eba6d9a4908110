"""What a configuration may say, and the sentence that a person gets where it may not."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.errors import InvalidConfig, InvalidDataset
from bench.report.config_file import SHIPPED, read_config

LEAST = """
variants:
  - {name: bf16}
scenarios:
  - {name: alone, clients: 1, requests: 4}
"""


def written(folder: Path, text: str) -> Path:
    file = folder / "mine.yaml"
    file.write_text(text, encoding="utf-8")
    return file


@pytest.mark.parametrize("name", ["int8", "rag", "concurrency", "smoke"])
def test_what_larkwise_comes_with_is_found_by_its_name(name: str) -> None:
    found = read_config(Path(name))

    assert found == read_config(SHIPPED / f"{name}.yaml")
    assert found.config.variants


def test_int8_is_measured_as_in_the_sources() -> None:
    config = read_config(Path("int8")).config

    assert (config.prompts.tokens, config.repeats) == (50, 3)
    assert all(one.requests == 100 for one in config.scenarios)
    assert config.base == "bf16"


def test_a_few_lines_are_enough(tmp_path: Path) -> None:
    config = read_config(written(tmp_path, LEAST)).config

    assert (config.repeats, config.base, config.variants[0].provider) == (3, "bf16", "local")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("repeat: 3" + LEAST, "unknown key 'repeat', did you mean 'repeats'?"),
        (LEAST.replace("clients", "client"), "unknown key 'client' in scenarios.0, did you mean 'clients'?"),
        (LEAST.replace("name: bf16", "name: bf16, zzz: 1"), "unknown key 'zzz' in variants.0, known are binary, gguf"),
        ("prompts: {tokns: 3}" + LEAST, "unknown key 'tokns' in prompts, did you mean 'tokens'?"),
        (LEAST.replace("clients: 1", "clients: 0"), "scenarios.0.clients: input should be greater than or equal to 1"),
        (LEAST.replace("clients: 1", "clients: 9"), "scenarios.0: 9 clients cannot be busy with 4 requests"),
        (LEAST.replace("clients: 1, ", ""), "scenarios.0: needs either `clients` or `requests_per_s`"),
        (LEAST.replace("clients: 1", "requests_per_s: .inf"), "scenarios.0.requests_per_s: input should be a finite"),
        (LEAST.replace("requests: 4", "requests: many"), "scenarios.0.requests: input should be a valid integer"),
        (LEAST.replace(", requests: 4", ""), "scenarios.0.requests is missing"),
        ("repeats: true" + LEAST, "repeats: input should be a valid integer, not True"),
        ("repeats: 0" + LEAST, "repeats: input should be greater than or equal to 1, not 0"),
        ("baseline: fp16" + LEAST, "`baseline` is 'fp16', and the variants are bf16"),
        (LEAST.replace("- {name: bf16}", "- {name: a}\n  - {name: a}"), "two variants are called 'a'"),
        (LEAST.replace("bf16", "a, precision: int4"), "variants.0.precision: input should be 'none' or 'int8'"),
        (LEAST.replace("bf16", "a, provider: openai"), "variants.0: `provider: openai` needs a `url`"),
        (LEAST.replace("bf16", "a, url: 'http://x'"), "`url` belongs to `provider: openai`, and this is local"),
        (LEAST.replace("bf16", "a, provider: hf-pipeline, precision: int8"), "hf-pipeline has no int8 here"),
        (LEAST.replace("bf16", "'a|b'"), "variants.0.name: string should match pattern"),
        (
            LEAST.replace("bf16", "a, settings: {LLM_QUANTIZATION: int8}"),
            "variants.0.settings: LLM_QUANTIZATION",
        ),
        (LEAST.replace("bf16", "a, settings: {PORT: 1}"), "variants.0.settings: PORT follows from the"),
        (
            LEAST.replace("bf16", "a, settings: {LLM_MAX_RUNING: 4}"),
            "no setting LLM_MAX_RUNING, did you mean LLM_MAX_RUNNING?",
        ),
        (LEAST.replace("bf16", "a, settings: {llm_max_running: 4}"), "did you mean LLM_MAX_RUNNING?"),
        (LEAST.replace("bf16", "a, settings: {ZZZ: 4}"), "larkwise has no setting ZZZ, docs/settings.md has them"),
        ("prompts: {kind: file}" + LEAST, "prompts: `file` belongs to `kind: file`"),
        ("accuracy: {choices: [{name: x}]}" + LEAST, "accuracy.choices.0: needs either `folder` or `hub`"),
        (LEAST + "scenarios: []", "line 2: the key 'scenarios' stands twice"),
        ("variants: [", "line 1: expected the node content"),
        ("d: 2026-13-45", "is no YAML: month must be in 1..12"),
        ("[" * 5000, "is no YAML"),
        (LEAST.replace("bf16", "a, provider: openai, url: 'http://[::1'"), "variants.0: Invalid IPv6 URL"),
        (LEAST.replace("- {name: bf16}", "- {name: a b}\n  - {name: A-b}"), "the variants a b and A-b would write"),
        ("- a\n- b", "should have keys like `variants`"),
        ("", "should have keys like `variants`"),
    ],
)
def test_what_cannot_be_is_a_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(InvalidConfig) as caught:
        read_config(written(tmp_path, text))

    assert sentence in str(caught.value)
    assert str(caught.value).startswith(str(tmp_path / "mine.yaml"))


def test_a_mistake_in_the_only_variant_is_one_mistake(tmp_path: Path) -> None:
    with pytest.raises(InvalidConfig) as caught:
        read_config(written(tmp_path, LEAST.replace("name: bf16", "name: bf16, zzz: 1")))
    with pytest.raises(InvalidConfig, match=r"scenarios: tuple should have at least 1 item"):
        read_config(written(tmp_path, "variants: [{name: a}]\nscenarios: []\n"))

    assert "at least 1 item" not in str(caught.value)


def test_larkwises_own_settings_may_be_chosen(tmp_path: Path) -> None:
    text = LEAST.replace("bf16", "a, settings: {LLM_MAX_RUNNING: 4, QUEUE_TIMEOUT_S: 60}")

    assert read_config(written(tmp_path, text)).config.variants[0].settings["LLM_MAX_RUNNING"] == 4


def test_a_configuration_that_is_not_there_is_told_with_those_that_are() -> None:
    with pytest.raises(InvalidConfig, match=r"no configuration fp8: .* one of concurrency, int8, rag, smoke"):
        read_config(Path("fp8"))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("prompts: {kind: file, file: none.jsonl}", "prompts.file: .*none.jsonl does not exist"),
        ("accuracy: {choices: [{folder: mmlu}]}", "accuracy.choices.0.folder: .*mmlu does not exist"),
    ],
)
def test_a_dataset_that_is_not_there_is_told_before_anything_starts(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(InvalidDataset, match=sentence):
        read_config(written(tmp_path, text + LEAST))


def test_paths_are_taken_from_where_the_file_is(tmp_path: Path) -> None:
    (tmp_path / "asked.txt").write_text("Hello?\n")
    config = read_config(written(tmp_path, "prompts: {kind: file, file: asked.txt}" + LEAST)).config

    assert config.prompts.file == tmp_path / "asked.txt"
