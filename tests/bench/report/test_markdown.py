"""The report says what the figures say, and what was not measured."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bench.report.changes import changes
from bench.report.markdown import Pictures, report, title
from bench.report.records import LeftOut, Measured, Run
from bench.report.words import Lang, Words
from tests.bench.report.made import BOUNDS, MACHINE, answered, failed, judgement, measured, noisy, run_of, usual

NO_PICTURES = Pictures()


def english(run: Run) -> str:
    return report(run, Words("en"), NO_PICTURES)


def row(text: str, *begins: str) -> list[str]:
    line = next(line for line in text.splitlines() if line.startswith("| " + " | ".join(begins) + " |"))
    return [cell.strip() for cell in line.strip("|").split("|")][len(begins) :]


@pytest.mark.parametrize(
    ("lang", "headings"),
    [
        (
            "zh",
            [
                "# a-model INT8 量化性能测试报告", "## 1 测试环境", "## 2 测试方法", "## 3 测试结果",
                "### 3.1 性能对比", "### 3.2 与 bf16 相比的变化", "### 3.3 精度评估", "### 3.4 延迟分布",
                "### 3.5 吞吐量", "### 3.6 距内存带宽上限", "## 4 结论", "## 附录", "### 完整数据", "### 复现步骤",
            ],
        ),
        (
            "en",
            [
                "# a-model: INT8 quantization performance test report", "## 1 Test environment", "## 2 Test method",
                "## 3 Test results", "### 3.1 Performance", "### 3.2 Changes against bf16", "### 3.3 Accuracy",
                "### 3.4 Latency distribution", "### 3.5 Throughput", "### 3.6 How near to the memory's bandwidth",
                "## 4 Conclusion", "## Appendix", "### Full data", "### Steps to reproduce",
            ],
        ),
    ],
)  # fmt: skip
def test_the_sections_are_those_of_the_sources(lang: Lang, headings: list[str]) -> None:
    text = report(usual(), Words(lang), NO_PICTURES)

    assert [line for line in text.splitlines() if line.startswith("#") and line != "# made"] == headings


def test_the_performance_table_has_values_with_their_changes() -> None:
    section = english(usual()).split("### 3.1")[1].split("### 3.2")[0]
    cells = row(section, "int8")

    assert cells[0] == "2.40 GiB ↓40 %"
    assert cells[1].endswith("tok/s ↑115 %")
    assert cells[2] == "249 ms ↓38 %"
    assert cells[-1] == "0 / 120"
    assert "↑" not in " ".join(row(section, "bf16")) + " ".join(row(section, "bf16"))


def test_what_is_no_significant_difference_has_no_arrow() -> None:
    run = run_of(*noisy("a", "x", first=1, gap=0.1), *noisy("b", "x", first=1, gap=0.1, seed=3))
    text = english(run)
    section = text.split("### 3.1")[1].split("### 3.2")[0]

    assert "n.s." in " ".join(row(section, "b"))
    assert "no significant difference" in text
    assert "these figures give no reason for either" in text


def test_one_repeat_is_told_and_nothing_recommended() -> None:
    run = run_of(
        *noisy("bf16", "x", first=1, gap=0.1, repeats=1), *noisy("int8", "x", first=0.5, gap=0.05, repeats=1), repeats=1
    )
    text = english(run)

    assert "One repeat: there is nothing to tell" in text
    assert "tok/s (+9" in row(text.split("### 3.1")[1], "int8")[1]
    assert "↓" not in text.split("## 4")[1]
    assert "of one repeat no difference is sure" in text


def test_a_stopped_run_says_so_at_once_and_in_its_conclusion() -> None:
    text = english(usual(complete=False))

    assert text.splitlines()[2].startswith("**The run was stopped")
    assert "The run is partial: what follows may change." in text


def test_failures_are_counted_and_named() -> None:
    found = [measured("a", "x", [answered("0"), failed("1"), failed("2")], repeat=n) for n in (1, 2)]
    text = english(run_of(*found))

    assert "a: 4 of 6 requests failed and count in no time (`HTTP 503: busy`)" in text
    assert row(text.split("### 3.1")[1], "a")[-1] == "4 / 6"


@pytest.mark.parametrize(
    ("reason", "shown"),
    [
        ("HTTP 502: <html>\r\n<head></head>\r\n\r\n# no\r\n", "(`HTTP 502: <html> <head></head> # no`)"),
        ("HTTP 400: no `model`, no ``x``", "(``` HTTP 400: no `model`, no ``x`` ```)"),
        ("x" * 1000, f"(`{'x' * 200} …`)"),
    ],
    ids=["a page", "backticks", "long"],
)
def test_a_servers_words_are_quoted_and_change_no_report(reason: str, shown: str) -> None:
    text = english(run_of(measured("a", "x", [answered("0"), failed("1", reason)], repeat=1)))

    assert shown in text


def test_what_was_left_out_is_said_with_the_reason() -> None:
    left_out = (
        LeftOut("llama.cpp", "", "no llama-server"),
        LeftOut("int8", "MMLU", "failed", "out of memory"),
    )
    text = english(usual(left_out=left_out))

    assert "Not measured: llama.cpp, because there is no llama-server on PATH" in text
    assert "Not measured: int8 on MMLU, because this failed: `out of memory`" in text


def test_accuracy_is_beside_speed_with_its_interval_and_test() -> None:
    text = english(usual(judged=(judgement("bf16", 300, 400, "MMLU"), judgement("int8", 260, 400, "MMLU"))))

    assert row(text, "MMLU", "bf16")[:2] == ["400", "75.0 % (70.5 … 79.0)"]
    n, right, difference, p = row(text, "MMLU", "int8")
    assert (n, right) == ("400", "65.0 % (60.2 … 69.5)")
    assert difference.startswith("−10.0 (−13.")
    assert p == "< .001"
    assert "significantly worse (p < .001, n = 400)" in text
    assert "keep bf16 where answers count" in text


def test_accuracy_that_was_not_measured_is_said() -> None:
    text = english(usual(judged=()))

    assert "Accuracy was not measured." in text
    assert "Multiple-choice sets (MMLU, C-Eval, CMMLU) were not measured" in text


def test_the_fraction_of_the_bandwidth_is_that_of_the_bytes_of_a_step() -> None:
    text = english(usual())

    # 2 GB at 40 GB/s are 50 ms, and a step takes 150
    assert row(text, "bf16", "one at a time")[:4] == ["2.00 GB", "50 ms", "150 ms", "33.3 %"]


def test_a_busy_machine_is_told() -> None:
    run = usual()
    busy = tuple(
        replace(
            one, window=replace(one.window, elsewhere_cpu_s=one.window.wall_s, client_cpu_s=0.7 * one.window.wall_s)
        )
        for one in run.measured
    )
    text = english(replace(run, measured=busy))

    assert "50.0 % of the machine's cores' time went to other work" in text
    assert "was itself computing for 70.0 % of the time" in text


def test_a_processor_without_bfloat16_is_told() -> None:
    assert "more slowly than in float32" not in english(usual())
    assert "more slowly than in float32 (18 against 100 GFLOP/s)" in english(
        usual(bounds=replace(BOUNDS, gemm_bf16_gops=18.0))
    )


def test_answers_that_end_early_are_told() -> None:
    short = [measured("a", "x", [answered(str(n), tokens=4) for n in range(5)], repeat=n) for n in (1, 2)]

    assert "a: answers were 4 tokens long, not 11" in english(run_of(*short))


def test_a_server_that_counts_no_tokens_is_told() -> None:
    silent = [
        measured("a", "x", [replace(answered(str(n)), prompt_tokens=0) for n in range(5)], repeat=n) for n in (1, 2)
    ]

    assert "a: the server did not say how many tokens it wrote" in english(run_of(*silent))
    assert "pieces of text long" not in english(run_of(*silent))


@pytest.mark.parametrize("prompt_tokens", [0, 50], ids=["no usage", "usage of the prompt alone"])
def test_short_answers_are_told_where_only_pieces_are_counted(prompt_tokens: int) -> None:
    short = replace(answered("0", tokens=4), prompt_tokens=prompt_tokens, tokens_told=False)
    text = english(run_of(*(measured("a", "x", [short], repeat=n) for n in (1, 2))))

    assert "a: the server did not say how many tokens it wrote" in text
    assert "a: answers were 4 pieces of text long, and 11 tokens were asked for" in text
    assert "The servers counted" not in text


@pytest.mark.parametrize(("lang", "sentence"), [("en", "10 of 10 answers were sent at once"), ("zh", "一次发出")])
def test_a_server_that_sends_answers_at_once_is_told_and_has_no_speed(lang: Lang, sentence: str) -> None:
    run = run_of(*(measured("a", "x", [answered(str(n), gap=0.00005) for n in range(5)], repeat=at) for at in (1, 2)))
    text = report(run, Words(lang), NO_PICTURES)

    assert sentence in text
    assert "tok/s" not in text.split("### 3.1")[1].split("req/s")[0]


def test_open_loads_are_described() -> None:
    run = run_of(*noisy("a", "x", first=1, gap=0.1), loads={"x": {"requests_per_s": 0.5}})
    text = english(run)

    assert "0.5 requests/s at random times (Poisson)" in text
    assert "no coordinated omission" in text


def test_one_variant_alone_is_compared_with_nothing() -> None:
    text = english(run_of(*noisy("a", "x", first=1, gap=0.1)))

    assert "There is one variant: nothing is compared." in text
    assert "Changes against" not in text


def test_it_says_how_to_do_it_again() -> None:
    text = english(usual())

    assert "    python -m bench --config made.yaml" in text
    assert "```yaml\n# made\nrepeats: 3\n```" in text
    assert "With larkwise at commit abc:" in text
    assert "With larkwise 0.1.0:" in english(usual(environment=replace(MACHINE, commit="unknown")))


def test_pictures_are_named_where_there_are_any() -> None:
    pictures = Pictures(latency=Path("/x/latency_distribution.png"), names={"variant 1": "a long name"})
    text = report(usual(), Words("en"), pictures)

    assert "![Distribution of latencies](latency_distribution.png)" in text
    assert "In the pictures: variant 1 is a long name." in text
    assert "No pictures: matplotlib is not installed" in text


def test_the_title_names_the_model_and_int8_only_where_it_is_compared() -> None:
    other = run_of(*noisy("a", "x", first=1, gap=0.1), *noisy("b", "x", first=1, gap=0.1))

    assert title(usual(), Words("en")) == "a-model: INT8 quantization performance test report"
    assert title(other, Words("zh")) == "a-model 性能测试报告"


def test_names_cannot_break_a_table() -> None:
    run = usual(left_out=(LeftOut("a", "MMLU", "failed", "one\nline | another"),))

    assert "one\nline" not in english(run).split("## 3")[1]


def test_what_is_shown_changes_by_what_is_said() -> None:
    """A change that does not follow from the two figures beside it would not be believed."""
    run = run_of(
        *(
            measured(name, "x", [answered("0", tokens=10)], repeat=repeat, wall=wall)
            for name, walls in (("bf16", (1.0, 2.0, 9.0)), ("int8", (0.5, 1.5, 2.0)))
            for repeat, wall in enumerate(walls, start=1)
        )
    )
    found = {one.measure.key: one for one in changes(run, "int8", "x")}

    for key in ("tokens", "rps"):
        assert found[key].after.median / found[key].before.median == pytest.approx(found[key].ratio.value)


@pytest.mark.parametrize(("lang", "note"), [("en", "were answered by one of the two alone"), ("zh", "只有一方回答")])
def test_figures_of_what_both_answered_are_marked(lang: Lang, note: str) -> None:
    def half(one: Measured) -> Measured:
        return replace(one, window=replace(one.window, outcomes=one.window.outcomes[::2]))

    both = noisy("bf16", "x", first=1, gap=0.1)
    halves = [half(one) for one in noisy("int8", "x", first=0.5, gap=0.1)]
    text = report(run_of(*both, *halves), Words(lang), NO_PICTURES)
    shown, compared = text.split("### 3.1")[1].split("### 3.2")

    assert "%\\*" in row(shown, "int8")[2]
    assert row(compared, "x", "int8", "TTFT")[0].endswith(")\\*")
    assert shown.count(note) == compared.split("### 3.3")[0].count(note) == 1
    assert note not in report(usual(), Words(lang), NO_PICTURES)


def test_prompts_that_were_counted_roughly_are_not_said_to_be_exact() -> None:
    facts = replace(usual().variants[0], provider="openai")
    guessed = english(replace(run_of(*noisy("bf16", "x", first=1, gap=0.1)), variants=(facts,)))

    assert "cut to about 50 tokens, which were guessed" in guessed
    assert "cut to 50 tokens of the model's own tokenizer" in english(usual())


def test_prompts_that_come_again_are_said_to_come_again(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("one\ntwo\n")
    same = run_of(
        *noisy("a", "x", first=1, gap=0.1),
        prompts={"kind": "file", "file": str(tmp_path / "mine.txt"), "fresh": False},
    )

    assert "each repeat has them once more" in english(same)
    assert "each repeat has others" in english(usual())
