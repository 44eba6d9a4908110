"""The same requests for every variant, others in every repeat, at times that nobody chose."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from bench.errors import InvalidConfig, InvalidDataset
from bench.report.asking import Asking, read_prompts
from bench.report.config import Config
from bench.report.config_file import config_of
from bench.report.counting import ByTokenizer, Counter, Roughly, counter_in
from bench.targets import Message


def config(**values: object) -> Config:
    scenarios = [
        {"name": "a", "clients": 1, "requests": 20},
        {"name": "b", "requests_per_s": 5, "requests": 400, "prompt_tokens": 30, "answer_tokens": 7},
    ]
    return config_of({"variants": [{"name": "v"}], "scenarios": scenarios, **values}, "test")


@pytest.fixture(scope="module")
def counter(smollm2_folder: Path) -> ByTokenizer:
    return counter_in(smollm2_folder)


def test_generated_prompts_have_the_length_that_was_asked_for(counter: Counter) -> None:
    asked = config()
    prompts = Asking(asked, counter).prompts(asked.scenario("a"), 1)

    assert len(prompts) == 20
    assert {counter.text(one.messages[0].content) for one in prompts} <= {
        47,
        48,
        49,
        50,
    }  # a character may be three tokens
    assert all(one.answer_tokens == 64 for one in prompts)


def test_prompts_of_retrieval_have_it_as_the_model_reads_them(counter: Counter) -> None:
    asked = config(prompts={"kind": "rag", "tokens": 200}, scenarios=[{"name": "a", "clients": 1, "requests": 20}])
    prompts = Asking(asked, counter).prompts(asked.scenario("a"), 1)

    assert all(195 <= counter.messages(one.messages) <= 200 for one in prompts)


def test_prompts_of_retrieval_cannot_be_shorter_than_their_question(counter: Counter) -> None:
    with pytest.raises(
        InvalidConfig, match=r"a: a prompt of `kind: rag` has up to \d+ tokens before .* and 20 are"
    ) as told:
        Asking(config(prompts={"kind": "rag", "tokens": 20}), counter)
    least = int(str(told.value).split("up to ")[1].split()[0])
    asked = config(prompts={"kind": "rag", "tokens": least}, scenarios=[{"name": "a", "clients": 1, "requests": 60}])

    prompts = Asking(asked, counter).prompts(asked.scenario("a"), 1)
    assert all(counter.messages(one.messages) <= least for one in prompts)


def test_a_load_may_have_its_own_lengths(counter: Counter) -> None:
    asked = config()
    prompts = Asking(asked, counter).prompts(asked.scenario("b"), 1)

    assert all(counter.text(one.messages[0].content) <= 30 and one.answer_tokens == 7 for one in prompts)


def test_a_seed_always_makes_the_same_requests() -> None:
    one, other = (Asking(config(), Roughly()) for _ in range(2))
    another = Asking(config(prompts={"seed": 2}), Roughly())
    scenario = config().scenario("a")

    assert one.prompts(scenario, 1) == other.prompts(scenario, 1)
    assert one.prompts(scenario, 1) != another.prompts(scenario, 1)


def test_no_two_requests_of_a_run_are_alike() -> None:
    asked = config()
    asking = Asking(asked, Roughly())
    prompts = [one for scenario in asked.scenarios for repeat in (1, 2) for one in asking.prompts(scenario, repeat)]
    texts = {one.messages[0].content for one in [*prompts, *asking.warm_up()]}

    assert len(texts) == 2 * 420 + asked.warm_up
    assert len({text.split(".")[0] for text in texts}) == len(texts)


def test_requests_come_at_random_times_that_are_the_same_for_every_variant() -> None:
    asked = config()
    scenario = asked.scenario("b")
    times = Asking(asked, Roughly()).arrivals_s(scenario, 1)
    between = [after - before for before, after in pairwise(times)]

    assert times == Asking(asked, Roughly()).arrivals_s(scenario, 1)
    assert times != Asking(asked, Roughly()).arrivals_s(scenario, 2)
    assert sum(between) / len(between) == pytest.approx(0.2, rel=0.15)  # the mean of 400 is known by a twentieth
    assert sum(one > 0.2 for one in between) / len(between) == pytest.approx(0.368, abs=0.08)  # exponential


def test_prompts_of_a_file_are_asked_in_turn_and_made_fresh(tmp_path: Path) -> None:
    file = tmp_path / "asked.jsonl"
    file.write_text(
        '{"prompt": "Why?", "more": 1}\n\n'
        '{"messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "How?"}]}\n'
    )
    asked = config(prompts={"kind": "file", "file": str(file)})
    prompts = Asking(asked, Roughly()).prompts(asked.scenario("a"), 1)

    contents = [one.messages[0].content for one in prompts]
    assert [content.partition(". ")[2] for content in contents[:3]] == ["Why?", "Be brief.", "Why?"]
    assert len(set(contents)) == 20
    assert prompts[1].messages[1] == Message("user", "How?")


def test_they_may_be_left_as_they_are(tmp_path: Path) -> None:
    file = tmp_path / "asked.txt"
    file.write_text("Why?\n How? \n")
    asked = config(prompts={"kind": "file", "file": str(file), "fresh": False})

    assert Asking(asked, Roughly()).prompts(asked.scenario("a"), 2)[1].messages == (Message("user", "How?"),)


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("a.jsonl", "{", "line 1, is no JSON"),
        ("a.jsonl", '{"prompt": "x"}\n{"text": "y"}', "line 2, has neither"),
        ("a.jsonl", '{"prompt": 3}', "line 1, is no JSON with"),
        ("a.txt", "\n\n", "holds no prompt"),
    ],
)
def test_a_file_that_holds_something_else_is_told(tmp_path: Path, name: str, text: str, sentence: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(InvalidDataset, match=sentence):
        read_prompts(tmp_path / name)


def test_without_a_tokenizer_tokens_are_counted_roughly(counter: Counter) -> None:
    text = "How long is the warranty for cards that are used in a cluster of more than eight machines?"

    assert counter.text(text) / 1.6 < Roughly().text(text) < counter.text(text) * 1.6
    assert Roughly().text("样卡可以借多久") == 7


def test_a_folder_without_a_tokenizer_is_told(tmp_path: Path) -> None:
    with pytest.raises(InvalidConfig, match="no tokenizer"):
        counter_in(tmp_path)
