"""llama.cpp in this process: a scripted double of its object, and the library itself where it is installed."""

from __future__ import annotations

import asyncio
import importlib.util
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_tests.unit_tests import ChatModelUnitTests

from models.errors import EngineFailed, InvalidRequest, PromptTooLong, WeightsInvalid
from models.llama_cpp import LlamaCppChatModel, close_llama_cpp_chat_model, load_llama_cpp_chat_model
from models.one_at_a_time import OneAtATime
from models.weights import WeightsStore

INSTALLED = importlib.util.find_spec("llama_cpp") is not None


class ScriptedLlama:
    """Says its words, one a step; every character is a token to it."""

    def __init__(
        self, words: tuple[str, ...] = ("one", " two", " three"), *, context: int = 100, pause_after: int = 0
    ) -> None:
        self.words, self.context, self.pause_after = words, context, pause_after
        self.calls: list[dict[str, Any]] = []
        self.steps = 0
        self.running = self.most_running = 0
        self.may_go_on = threading.Event()

    def tokenize(self, text: bytes, add_bos: bool = True, special: bool = False) -> list[int]:
        return list(text)

    def reset(self) -> None:
        """It remembers nothing."""

    def n_ctx(self) -> int:
        return self.context

    def token_eos(self) -> int:
        return 2

    def create_completion(self, prompt: list[int], *, stream: bool, **options: Any) -> Iterator[dict[str, Any]]:
        self.calls.append({"prompt": bytes(prompt).decode(), **options})
        return self._words(options["max_tokens"])

    def _words(self, most: int) -> Iterator[dict[str, Any]]:
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        try:
            for word in self.words[:most]:
                if self.pause_after and self.steps == self.pause_after:
                    self.may_go_on.wait(10)
                self.steps += 1
                if word == "RAISE":
                    raise RuntimeError("llama_decode returned -1")
                yield {"choices": [{"text": word, "finish_reason": None}]}
            reason = "length" if len(self.words) > most else "stop"
            yield {"choices": [{"text": "", "finish_reason": reason}]}
        finally:
            self.running -= 1


def opened(llama: ScriptedLlama, **given: Any) -> LlamaCppChatModel:
    return LlamaCppChatModel(llama=llama, write_prompt=_write, worker=OneAtATime("test"), model="scripted", **given)


def _write(messages: list[dict[str, str]]) -> str:
    return "".join(f"<{message['role']}>{message['content']}" for message in messages)


def test_it_writes_the_prompt_and_streams_the_answer_with_usage() -> None:
    llama = ScriptedLlama()
    chunks = list(opened(llama).stream("hi"))

    assert [chunk.text for chunk in chunks if chunk.text] == ["one", " two", " three"]
    assert llama.calls[0]["prompt"] == "<user>hi"
    assert chunks[-1].usage_metadata is not None
    assert chunks[-1].usage_metadata["input_tokens"] == len("<user>hi")
    assert chunks[-1].usage_metadata["output_tokens"] == len("one two three")
    assert chunks[-1].response_metadata["finish_reason"] == "stop"


async def test_it_answers_on_an_event_loop() -> None:
    assert (await opened(ScriptedLlama()).ainvoke("hi")).text == "one two three"


def test_options_of_a_call_reach_llama_cpp() -> None:
    llama = ScriptedLlama()
    model = opened(llama, temperature=0.2, max_tokens=9)
    model.invoke("hi")
    model.invoke("hi", temperature=0, top_p=0.5, max_tokens=2, seed=7, stop=["x"], ignore_eos=True, user="ann")

    first, second = llama.calls
    assert (first["temperature"], first["max_tokens"], first["seed"], first["stop"]) == (0.2, 9, None, [])
    assert (second["temperature"], second["top_p"], second["max_tokens"]) == (0, 0.5, 2)
    assert (second["seed"], second["stop"]) == (7, ["x"])
    assert second["logit_bias"] == {2: float("-inf")}


def test_the_answer_is_cut_to_what_the_context_holds() -> None:
    llama = ScriptedLlama(context=len("<user>hi") + 2)
    message = opened(llama).invoke("hi")

    assert message.text == "one two"
    assert message.response_metadata["finish_reason"] == "length"


def test_a_prompt_that_fills_the_context_is_refused() -> None:
    with pytest.raises(PromptTooLong):
        opened(ScriptedLlama(context=8)).invoke("hi")


def test_a_bad_parameter_is_named() -> None:
    with pytest.raises(InvalidRequest, match="temprature"):
        opened(ScriptedLlama()).invoke("hi", temprature=1)


def test_an_error_of_llama_cpp_is_told() -> None:
    with pytest.raises(EngineFailed, match="llama_decode"):
        opened(ScriptedLlama(("one", "RAISE"))).invoke("hi")


async def test_many_callers_are_served_one_after_the_other() -> None:
    llama = ScriptedLlama()
    model = opened(llama)
    answers = await asyncio.gather(*(model.ainvoke(f"{n}") for n in range(8)))

    assert {answer.text for answer in answers} == {"one two three"}
    assert llama.most_running == 1


async def test_a_caller_who_goes_away_stops_it_between_two_tokens() -> None:
    llama = ScriptedLlama(("word",) * 90, context=1000, pause_after=3)
    model = opened(llama)
    stream = model.astream("hi")
    await anext(stream)
    await stream.aclose()  # type: ignore[attr-defined]  # it is a generator
    for _ in range(5):
        await asyncio.sleep(0)  # the event loop closes what was inside of it
    llama.may_go_on.set()
    await model.ainvoke("hi", max_tokens=1)

    assert llama.steps == 5  # three, one that had begun, and that of the next caller
    assert llama.running == 0


def test_closing_ends_it() -> None:
    model = opened(ScriptedLlama())
    close_llama_cpp_chat_model(model)
    assert not model.worker.is_alive()


def test_without_the_library_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "llama_cpp", None)  # as Python itself marks what cannot be imported
    with pytest.raises(WeightsInvalid, match=r"pip install 'larkwise\[llama-cpp\]'"):
        load_llama_cpp_chat_model(tmp_path / "x.gguf", name="x")


class TestUnit(ChatModelUnitTests):
    """LangChain's own suite."""

    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return LlamaCppChatModel

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"llama": ScriptedLlama(), "write_prompt": _write, "worker": OneAtATime("test"), "model": "scripted"}

    @property
    def has_tool_calling(self) -> bool:
        return False

    @property
    def has_structured_output(self) -> bool:
        return False


@pytest.fixture(scope="module")
def real(weights: WeightsStore) -> Iterator[LlamaCppChatModel]:
    gguf = next(weights.ensure("smollm2-135m-instruct").glob("*.gguf"))
    model = load_llama_cpp_chat_model(
        gguf, name="smollm2", threads=1, max_tokens=16, context_length=512, temperature=0.0
    )
    yield model
    close_llama_cpp_chat_model(model)


@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")  # the library's own, to be quiet
@pytest.mark.skipif(not INSTALLED, reason="llama-cpp-python is not installed (the extra llama-cpp)")
class TestTheLibraryItself:
    """A small GGUF file, greedy."""

    def test_it_answers_with_usage(self, real: LlamaCppChatModel) -> None:
        message = real.invoke("What is the capital of France? Answer in one word.")
        assert "Paris" in str(message.text)
        assert message.usage_metadata is not None
        assert message.usage_metadata["input_tokens"] > 10

    def test_it_stops_where_it_is_told_to(self, real: LlamaCppChatModel) -> None:
        whole = str(real.invoke("Count from one to ten.").text)
        assert str(real.invoke("Count from one to ten.", stop=[whole[4:7]]).text) == whole[: whole.index(whole[4:7])]

    def test_a_seed_repeats_a_sample(self, real: LlamaCppChatModel) -> None:
        first, second = (real.invoke("Tell a story.", temperature=1.2, top_p=1.0, seed=3).text for _ in range(2))
        assert first == second

    def test_the_end_can_be_ignored(self, real: LlamaCppChatModel) -> None:
        message = real.invoke("Say yes.", max_tokens=40, ignore_eos=True)
        assert message.response_metadata["finish_reason"] == "length"

    async def test_going_away_stops_it(self, real: LlamaCppChatModel) -> None:
        stream = real.astream("Count from one to a hundred.", max_tokens=400)
        await anext(stream)
        await stream.aclose()  # type: ignore[attr-defined]  # it is a generator
        assert (await real.ainvoke("hi", max_tokens=1, timeout=60)).text is not None

    def test_a_file_that_is_no_model_is_told(self, tmp_path: Path) -> None:
        (tmp_path / "x.gguf").write_bytes(b"GGUF nothing")
        with pytest.raises(WeightsInvalid, match="does not hold a model"):
            load_llama_cpp_chat_model(tmp_path / "x.gguf", name="x")
