"""The whole way, against real servers: load, folder, what is said when something goes wrong, and how it ends."""

from __future__ import annotations

import asyncio
import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from app.settings import load_settings
from bench.cli import commands
from bench.errors import Stopped
from bench.report.config_file import config_of
from bench.report.measures import TTFT, figure
from bench.report.records import read_run
from bench.report.running import Job, Runner
from models.weights import no_progress
from tests.bench.timed_server import TimedServer, Timing, timed_server
from tests.fake_openai import Reply, Status, Words, fake_openai

SMALL = ("--requests", "4", "--repeats", "2", "--answer-tokens", "3")


def bench(*arguments: str | Path) -> Result:
    return CliRunner().invoke(commands, list(map(str, arguments)))


def rows(file: Path) -> list[dict[str, str]]:
    with file.open(encoding="utf-8", newline="") as opened:
        return list(csv.DictReader(opened))


def test_two_servers_are_measured_in_one_run(tmp_path: Path) -> None:
    with timed_server([Timing(0.2, 0.05)]) as slow, timed_server([Timing(0.05, 0.02)]) as fast:
        done = bench(
            "http", "--url", f"slow={slow.url}", "--url", f"fast={fast.url}/v1", *SMALL, "--clients", "1", "--clients",
            "2", "--rate", "20", "--out", tmp_path,
        )  # fmt: skip
        asked = len(slow.done)

    assert done.exit_code == 0, done.output
    run = read_run(tmp_path)
    assert run.complete
    assert [one.model for one in run.variants] == ["timed-model", "timed-model"]
    assert list(run.scenarios()) == ["1 client", "2 clients", "20 requests/s"]
    assert asked == 1 + 6 * (2 + 4)  # one to see whether it answers; two to warm up before each of six measurements
    found = figure(run, "slow", "1 client", TTFT)
    assert found is not None
    assert 0.2 <= found.median < 1
    report = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert "**fast** against slow" in report
    assert len(rows(tmp_path / "full_results.csv")) == 2 * 3 * 2 * 4


def test_both_get_the_same_prompts_and_each_repeat_has_others(tmp_path: Path) -> None:
    with fake_openai() as one, fake_openai() as other:
        assert (
            bench("http", "--url", f"a={one.url}", "--url", f"b={other.url}", *SMALL, "--out", tmp_path).exit_code == 0
        )

    texts = [[body["messages"][0]["content"] for body in server.bodies[1:]] for server in (one, other)]
    assert texts[0] == texts[1]
    assert len(set(texts[0])) == 2 * 4 + 2  # two repeats of four, and the same two to warm up
    assert {body["max_tokens"] for body in one.bodies[3:7]} == {3}
    assert one.bodies[1]["ignore_eos"] is True
    assert one.bodies[1]["model"] == "fake-model"


def test_a_server_that_runs_on_gets_other_prompts_in_the_next_run(tmp_path: Path) -> None:
    with fake_openai() as server:
        for name in ("one", "two"):
            assert bench("http", "--url", server.url, *SMALL, "--out", tmp_path / name).exit_code == 0
            time.sleep(0.01)
        half = len(server.bodies) // 2
        texts = [{body["messages"][0]["content"] for body in server.bodies[at : at + half]} for at in (1, 1 + half)]

    assert read_run(tmp_path / "one").config.prompts.seed != read_run(tmp_path / "two").config.prompts.seed
    assert texts[0] & texts[1] <= {"Hello"}  # to see whether it answers


def test_a_server_that_knows_no_ignore_eos_is_asked_without(tmp_path: Path) -> None:
    with fake_openai(Status(400, {"message": "unknown parameter ignore_eos"}), Words()) as server:
        assert bench("http", "--url", server.url, *SMALL, "--out", tmp_path).exit_code == 0

    assert "ignore_eos" in server.bodies[0]
    assert all("ignore_eos" not in body for body in server.bodies[1:])
    assert "was asked without `ignore_eos`" in (tmp_path / "report.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("code", [429, 500])
def test_a_server_whose_first_answer_is_an_error_is_measured_all_the_same(tmp_path: Path, code: int) -> None:
    with fake_openai(Status(code, {"message": "not now"}), Words()) as server:
        assert bench("http", "--url", server.url, *SMALL, "--out", tmp_path).exit_code == 0

    assert all("ignore_eos" in body for body in server.bodies)
    assert "ignore_eos" not in (tmp_path / "report.md").read_text(encoding="utf-8")


def test_a_server_that_never_answers_is_measured_and_fails_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bench.report.subjects._PAUSES_S", (0.0, 0.0))
    with fake_openai(Status(500, {"message": "no paper"})) as server:
        done = bench("http", "--url", f"a={server.url}", *SMALL, "--out", tmp_path)

    assert done.exit_code == 1
    assert "8 of 8 requests to a failed" in done.output
    assert (tmp_path / "report.md").exists()


@pytest.mark.parametrize("code", [400, 401, 403, 404])
def test_a_server_that_refuses_such_requests_is_told_at_once(tmp_path: Path, code: int) -> None:
    with fake_openai(Status(code, {"message": "not for you"})) as server:
        done = bench("http", "--url", server.url, *SMALL, "--out", tmp_path)

    assert done.exit_code == 1
    assert f"does not answer: HTTP {code}" in " ".join(done.output.split())
    assert len(server.bodies) == (2 if code == 400 else 1)


def test_the_key_goes_to_the_server_and_nowhere_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LARKWISE_LLM_API_KEY", "sk-very-secret")
    with fake_openai() as server:
        done = bench("http", "--url", server.url, *SMALL, "--out", tmp_path)

    assert set(server.keys) == {"Bearer sk-very-secret"}
    texts = [file.read_text(encoding="utf-8") for file in tmp_path.iterdir() if file.suffix in (".md", ".json", ".csv")]
    assert not any("sk-very-secret" in text for text in (*texts, done.output))


def test_a_server_that_errors_half_of_the_time_is_reported_and_fails_the_command(tmp_path: Path) -> None:
    first: list[Reply] = [Words(), Words(), Words()]  # to see whether it answers, and to warm up
    halves: list[Reply] = [Words(), Status(500, {"message": "no paper"})] * 20
    with fake_openai(*first, *halves) as server:
        done = bench("http", "--url", f"a={server.url}", "--requests", "10", "--repeats", "1", "--out", tmp_path)

    assert done.exit_code == 1
    assert "5 of 10 requests to a failed, for example: HTTP 500" in done.output
    report = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert "a: 5 of 10 requests failed and count in no time (`HTTP 500" in report
    assert [one["error"] != "" for one in rows(tmp_path / "full_results.csv")] == [False, True] * 5


def test_a_server_that_is_not_there_is_told(tmp_path: Path, unused_tcp_port: int) -> None:
    done = bench("http", "--url", f"http://127.0.0.1:{unused_tcp_port}", "--out", tmp_path)

    assert done.exit_code == 1
    assert f"http://127.0.0.1:{unused_tcp_port} does not answer: ConnectError" in done.output
    assert not (tmp_path / "report.md").exists()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--url", "ftp://x"], "needs a `url` that begins with http://"),
        (["--url", "http://a:b@x"], "`url` must hold no secret"),
        (["--url", "http://x", "--clients", "50"], "50 clients cannot be busy with 20 requests"),
        (["--url", "http://x", "--rate", "0"], "requests_per_s: input should be greater than or equal to 0.0001"),
        (["--url", "a=http://x", "--url", "a=http://y"], "two variants are called 'a'"),
        (["--url", "http://x", "--pid", "b=1"], "--pid names b"),
        (["--url", "http://x", "--prompts", "missing.txt"], "missing.txt does not exist"),
        (["--url", "http://x", "--repeats", "0"], "repeats: input should be greater"),
    ],
)
def test_mistakes_of_usage_are_sentences_and_exit_with_2(arguments: list[str], sentence: str) -> None:
    done = bench("http", *arguments)

    assert done.exit_code == 2
    assert sentence in " ".join(done.output.split())


def test_a_configuration_with_a_mistake_exits_with_2(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("variant: []\n")
    done = bench("--config", tmp_path / "mine.yaml")

    assert done.exit_code == 2
    assert "unknown key 'variant', did you mean 'variants'?" in " ".join(done.output.split())


def test_a_configuration_is_measured_as_well(tmp_path: Path) -> None:
    with fake_openai() as server:
        (tmp_path / "mine.yaml").write_text(
            f"variants: [{{name: theirs, provider: openai, url: {server.url}, pid: {os.getpid()}}}]\n"
            "scenarios: [{name: alone, clients: 1, requests: 3}]\n"
            "repeats: 1\naccuracy: {handbook: false}\n"
        )
        done = bench("--config", tmp_path / "mine.yaml", "--out", tmp_path / "out", "--lang", "zh")

    assert done.exit_code == 0, done.output
    report = (tmp_path / "out" / "report.md").read_text(encoding="utf-8")
    assert report.startswith("# fake-model 性能测试报告")
    assert "variants: [{name: theirs" in report
    (only,) = read_run(tmp_path / "out").measured
    assert only.metered
    assert (only.resident_bytes or 0) > 2**24
    assert (only.peak_bytes or 0) > 2**24


def test_a_report_is_written_again_in_another_language(tmp_path: Path) -> None:
    with fake_openai() as server:
        assert bench("http", "--url", server.url, *SMALL, "--out", tmp_path / "run").exit_code == 0
    done = bench("render", tmp_path / "run", "--lang", "zh", "--out", tmp_path / "zh")

    assert done.exit_code == 0
    assert (tmp_path / "zh" / "report.md").read_text(encoding="utf-8").startswith("# fake-model 性能测试报告")
    assert bench("render", tmp_path).exit_code == 2


def test_a_configuration_may_be_made_shorter(tmp_path: Path) -> None:
    with fake_openai() as server:
        (tmp_path / "mine.yaml").write_text(
            f"variants: [{{name: a, provider: openai, url: {server.url}}}]\naccuracy: {{handbook: false}}\n"
            "scenarios: [{name: alone, clients: 2, requests: 30}]\n"
        )
        short = bench(
            "--config", tmp_path / "mine.yaml", "--requests", "2", "--repeats", "1", "--out", tmp_path / "out"
        )
        too_short = bench("--config", tmp_path / "mine.yaml", "--requests", "1")

    assert short.exit_code == 0, short.output
    assert [len(one.window.answered) for one in read_run(tmp_path / "out").measured] == [2]
    assert too_short.exit_code == 2
    assert "2 clients cannot be busy with 1 requests" in " ".join(too_short.output.split())


def test_a_run_that_is_stopped_before_anything_was_measured_says_so(tmp_path: Path) -> None:
    config = config_of(
        {
            "variants": [{"name": "a", "provider": "openai", "url": "http://127.0.0.1:1"}],
            "scenarios": [{"name": "x", "clients": 1, "requests": 1}],
        },
        "test",
    )

    async def stopped() -> None:
        stop = asyncio.Event()
        stop.set()
        job = Job("test", config, "", "", tmp_path, load_settings())
        await Runner(job, stop=stop, say=print, progress=no_progress).complete()

    with pytest.raises(Stopped, match="before anything was measured"):
        asyncio.run(stopped())


def test_a_folder_that_holds_a_complete_run_is_left_alone(tmp_path: Path) -> None:
    with fake_openai() as server:
        assert bench("http", "--url", server.url, *SMALL, "--out", tmp_path).exit_code == 0
        (tmp_path / "report.md").write_text("what somebody has written into it")
        again = bench("http", "--url", server.url, *SMALL, "--lang", "zh", "--out", tmp_path)

    assert (tmp_path / "report.md").read_text() == "what somebody has written into it"
    assert again.exit_code == 2
    assert "holds a complete run: give another --out" in " ".join(again.output.split())


@pytest.fixture
def slow() -> Iterator[TimedServer]:
    with timed_server([Timing(0.3, 0.05)]) as server:
        yield server


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_stopped_keeps_what_was_measured_and_goes_on(
    tmp_path: Path, slow: TimedServer, number: signal.Signals
) -> None:
    arguments = ["http", "--url", f"a={slow.url}", "--requests", "6", "--repeats", "2", "--out", str(tmp_path)]
    process = subprocess.Popen(
        [sys.executable, "-m", "bench", *arguments], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    )
    while len(slow.done) < 1 + 2 + 2:  # to see whether it answers, to warm up, and two of the first six
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(number)
    said = process.communicate(timeout=60)[1]

    assert process.returncode == 1
    assert "its report is partial" in " ".join(said.split())
    run = read_run(tmp_path)
    assert not run.complete
    assert [one.whole for one in run.measured] == [False]
    assert 0 < len(run.measured[0].window.answered) < 6
    assert "**The run was stopped or has failed" in (tmp_path / "report.md").read_text(encoding="utf-8")

    done = bench(*arguments)
    assert done.exit_code == 0, done.output
    assert [(one.repeat, len(one.window.answered), one.whole) for one in read_run(tmp_path).measured] == [
        (1, 6, True),
        (2, 6, True),
    ]


def test_a_folder_that_cannot_be_one_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with fake_openai() as server:
        done = bench("http", "--url", server.url, *SMALL, "--out", tmp_path / "file")
        assert bench("http", "--url", server.url, *SMALL, "--out", tmp_path / "run").exit_code == 0
    rendered = bench("render", tmp_path / "run", "--out", tmp_path / "file")

    assert [done.exit_code, rendered.exit_code] == [2, 2]
    assert "cannot be made (File exists): give another --out" in " ".join(done.output.split())


def test_a_server_with_a_long_address_needs_no_name(tmp_path: Path) -> None:
    with fake_openai() as server:
        done = bench("http", "--url", f"{server.url}/{'path/' * 20}..", *SMALL, "--out", tmp_path)

    assert "starting 127.0.0.1:" in done.output
    assert "does not say what models it has" in " ".join(done.output.split())


def test_a_run_does_not_go_on_with_another_model(tmp_path: Path) -> None:
    with fake_openai() as server:
        arguments = ("http", "--url", f"a={server.url}", *SMALL, "--out", tmp_path)
        assert bench(*arguments).exit_code == 0
        values = json.loads((tmp_path / "results.json").read_text())
        values["complete"] = False
        values["measured"] = values["measured"][:1]
        values["variants"][0]["model"] = "what was served then"
        (tmp_path / "results.json").write_text(json.dumps(values))
        other = bench(*arguments)

    assert other.exit_code == 2
    assert "a is what was served then, and now it is fake-model: give another --out" in " ".join(other.output.split())


def test_a_run_does_not_go_on_with_other_prompts(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("one\ntwo\n")
    with fake_openai() as server:
        arguments = ("http", "--url", server.url, "--prompts", tmp_path / "mine.txt", *SMALL, "--out", tmp_path / "out")
        assert bench(*arguments).exit_code == 0
        values = json.loads((tmp_path / "out" / "results.json").read_text())
        (tmp_path / "out" / "results.json").write_text(json.dumps({**values, "complete": False}))
        (tmp_path / "mine.txt").write_text("one\nthree\n")
        other = bench(*arguments)

    assert other.exit_code == 2
    assert "prompts or questions have changed" in " ".join(other.output.split())


def test_a_folder_of_another_run_is_not_gone_on_with(tmp_path: Path) -> None:
    with fake_openai() as server:
        assert bench("http", "--url", server.url, *SMALL, "--out", tmp_path).exit_code == 0
        values = json.loads((tmp_path / "results.json").read_text())
        (tmp_path / "results.json").write_text(json.dumps({**values, "complete": False}))
        other = bench("http", "--url", server.url, *SMALL, "--seed", "2", "--out", tmp_path)

    assert other.exit_code == 2
    assert "another configuration's" in " ".join(other.output.split())
