"""A chat model behind a server with OpenAI's interface; the server is a real one on loopback."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import HumanMessage, SystemMessage
from langchain_tests.unit_tests import ChatModelUnitTests

from models.errors import (
    CompletionTimeout,
    EngineFailed,
    InvalidRequest,
    ModelError,
    ModelUnavailable,
    PromptTooLong,
    QueueFull,
)
from models.remote import RemoteChatModel, close_remote_chat_model, open_remote_chat_model
from tests.fake_openai import ErrorAfter, Reply, Status, Words, fake_openai

SLOW = Words(tuple(f" {n}" for n in range(400)), gap_s=0.05)
NO_WAIT = {"retry-after-ms": "1"}


@asynccontextmanager
async def opened(url: str, **given: Any) -> AsyncIterator[RemoteChatModel]:
    model = open_remote_chat_model(base_url=url, api_key="a-key", model="qwen", **{"timeout": 30.0, **given})
    try:
        yield model
    finally:
        await close_remote_chat_model(model)


async def error_of(*replies: Reply, **options: Any) -> ModelError:
    with fake_openai(*replies) as server:
        async with opened(server.url) as model:
            with pytest.raises(ModelError) as caught:
                await model.ainvoke("hi", **options)
    return caught.value


async def test_it_answers_with_usage_and_the_reason_why_it_ended() -> None:
    with fake_openai() as server:
        async with opened(server.url) as model:
            message = await model.ainvoke([SystemMessage("be kind"), HumanMessage("hi")])

    assert message.text == "Hello there!"
    assert message.usage_metadata is not None
    assert (message.usage_metadata["input_tokens"], message.usage_metadata["output_tokens"]) == (7, 3)
    assert message.response_metadata["finish_reason"] == "stop"
    assert server.bodies[0]["messages"] == [
        {"role": "system", "content": "be kind"},
        {"role": "user", "content": "hi"},
    ]
    assert server.bodies[0]["model"] == "qwen"
    assert server.keys == ["Bearer a-key"]


async def test_it_streams_words_as_they_come() -> None:
    with fake_openai(Words(gap_s=0.3)) as server:
        async with opened(server.url) as model:
            began = time.monotonic()
            arrivals = [time.monotonic() - began async for chunk in model.astream("hi") if chunk.text]

    assert len(arrivals) == 3
    assert arrivals[2] - arrivals[0] > 0.4  # were they kept back, they would come together


async def test_it_answers_without_an_event_loop_too() -> None:
    with fake_openai() as server:
        async with opened(server.url) as model:
            chunks = await asyncio.to_thread(lambda: list(model.stream("hi")))
            whole = await asyncio.to_thread(model.invoke, "hi")

    assert "".join(str(chunk.text) for chunk in chunks) == whole.text == "Hello there!"
    assert whole.usage_metadata is not None


async def test_options_of_a_call_reach_the_server_by_openais_names() -> None:
    with fake_openai() as server:
        async with opened(server.url, max_tokens=99, temperature=0.2) as model:
            await model.ainvoke("hi")
            await model.ainvoke(
                "hi", temperature=0, top_p=0.5, max_tokens=3, stop=["x"], seed=1, ignore_eos=True, user="ann", timeout=9
            )

    first, second = server.bodies
    assert (first["max_tokens"], first["temperature"]) == (99, 0.2)
    assert first["stream_options"] == {"include_usage": True}
    given = {name: second[name] for name in ("temperature", "top_p", "max_tokens", "stop", "seed", "ignore_eos")}
    assert given == {"temperature": 0, "top_p": 0.5, "max_tokens": 3, "stop": ["x"], "seed": 1, "ignore_eos": True}
    assert "user" not in second


async def test_an_unknown_parameter_is_named() -> None:
    error = await error_of(temprature=1)

    assert isinstance(error, InvalidRequest)
    assert "temprature" in str(error)


async def test_cancelling_the_task_closes_the_connection_within_a_second() -> None:
    with fake_openai(SLOW) as server:
        async with opened(server.url) as model:
            task = asyncio.create_task(model.ainvoke("hi"))
            while not server.bodies:  # noqa: ASYNC110 - the server counts on its own thread
                await asyncio.sleep(0.01)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert await asyncio.to_thread(server.gone.wait, 1)


async def test_closing_the_stream_closes_the_connection_within_a_second() -> None:
    with fake_openai(SLOW) as server:
        async with opened(server.url) as model:
            stream = model.astream("hi")
            await anext(stream)
            await stream.aclose()  # type: ignore[attr-defined]  # it is a generator
            assert await asyncio.to_thread(server.gone.wait, 1)


async def test_so_does_closing_a_stream_without_an_event_loop() -> None:
    with fake_openai(SLOW) as server:
        async with opened(server.url) as model:

            def one() -> None:
                stream = model.stream("hi")
                next(stream)
                stream.close()  # type: ignore[attr-defined]  # it is a generator

            await asyncio.to_thread(one)
            assert await asyncio.to_thread(server.gone.wait, 1)


async def test_an_answer_that_takes_too_long_is_given_up() -> None:
    with fake_openai(SLOW) as server:
        async with opened(server.url, timeout=0.3) as model:
            with pytest.raises(CompletionTimeout, match="LARKWISE_REQUEST_TIMEOUT_S"):
                await model.ainvoke("hi")
            with pytest.raises(CompletionTimeout):
                await asyncio.to_thread(model.invoke, "hi")
            assert await asyncio.to_thread(server.gone.wait, 1)


async def test_an_answer_that_does_not_begin_is_given_up_sooner() -> None:
    with fake_openai(Words(first_s=0.7)) as server:
        async with opened(server.url) as model:
            with pytest.raises(CompletionTimeout):
                await model.ainvoke("hi", queue_timeout=0.1, first_token_timeout=0.1)
            await model.ainvoke("hi", queue_timeout=5, first_token_timeout=5)


async def test_a_busy_server_is_asked_again() -> None:
    with fake_openai(
        Status(429, {"message": "busy"}, NO_WAIT), Status(503, {"message": "soon"}, NO_WAIT), Words()
    ) as s:
        async with opened(s.url) as model:
            assert (await model.ainvoke("hi")).text == "Hello there!"

    assert len(s.bodies) == 3


async def test_one_that_stays_busy_says_when_to_come_again() -> None:
    error = await error_of(Status(429, {"message": "busy"}, {**NO_WAIT, "retry-after": "7"}))

    assert isinstance(error, QueueFull)
    assert error.retry_after_s == 7
    assert "try again in 7 s" in str(error)


@pytest.mark.parametrize("code", [401, 403])
async def test_a_refused_key_is_told_with_the_setting(code: int) -> None:
    error = await error_of(Status(code, {"message": "no"}))

    assert isinstance(error, ModelUnavailable)
    assert "LARKWISE_LLM_API_KEY" in str(error)
    assert "a-key" not in str(error)


async def test_an_unknown_model_is_told_with_the_setting() -> None:
    error = await error_of(Status(404, {"message": "no such model"}))

    assert isinstance(error, ModelUnavailable)
    assert "LARKWISE_LLM_MODEL" in str(error)


async def test_a_server_that_fails_is_unavailable() -> None:
    error = await error_of(Status(500, {"message": "out of paper"}, NO_WAIT))

    assert isinstance(error, ModelUnavailable)
    assert "out of paper" in str(error)


async def test_a_server_that_is_not_there_is_told_with_the_setting(unused_tcp_port: int) -> None:
    async with opened(f"http://127.0.0.1:{unused_tcp_port}/v1") as model:
        with pytest.raises(ModelUnavailable, match="LARKWISE_LLM_BASE_URL"):
            await model.ainvoke("hi")


async def test_what_the_server_does_not_take_is_an_invalid_request() -> None:
    error = await error_of(Status(400, {"message": "top_p must be positive"}))

    assert isinstance(error, InvalidRequest)
    assert "top_p must be positive" in str(error)


@pytest.mark.parametrize(
    "said",
    [
        {
            "message": "This model's maximum context length is 4096 tokens. However, you requested 5000 tokens "
            "(4900 in the messages, 100 in the completion)."
        },
        {"message": "the request exceeds the available context size", "n_prompt_tokens": 4900, "n_ctx": 4096},
        {
            "message": "the prompt has 4900 tokens, and the model's context holds 4096 for prompt and answer together: "
            "shorten the prompt"
        },
    ],
    ids=["vllm", "llama.cpp", "larkwise"],
)
async def test_a_prompt_that_is_too_long_is_told_with_its_numbers(said: dict[str, Any]) -> None:
    error = await error_of(Status(400, {"code": "x", **said}))

    assert isinstance(error, PromptTooLong)
    assert error.context_length == 4096
    assert error.prompt_tokens in (4900, 5000)


async def test_without_numbers_it_still_says_so() -> None:
    error = await error_of(Status(400, {"message": "input exceeds the context window"}))

    assert isinstance(error, InvalidRequest)
    assert "shorten" in str(error)


async def test_an_error_in_the_middle_of_an_answer_is_told() -> None:
    error = await error_of(ErrorAfter(("half",), {"message": "the model failed", "type": "server_error"}))

    assert isinstance(error, EngineFailed)
    assert "the model failed" in str(error)


async def test_a_timeout_at_the_server_is_a_timeout() -> None:
    assert isinstance(await error_of(ErrorAfter(("half",), {"message": "late", "code": "timeout"})), CompletionTimeout)
    assert isinstance(await error_of(Status(408, {"message": "late"}, NO_WAIT)), CompletionTimeout)


async def test_an_answer_that_breaks_off_is_not_taken_for_a_whole_one() -> None:
    error = await error_of(Words(finish=None))

    assert isinstance(error, ModelUnavailable)
    assert "before its end" in str(error)


async def test_counting_tokens_fetches_nothing() -> None:
    async with opened("http://127.0.0.1:9/v1") as model:
        assert model.get_num_tokens("云雀") == 2
        assert model.get_num_tokens("abcdef") == 2
        assert model.get_num_tokens_from_messages([HumanMessage("abc")]) == 5
        with pytest.raises(NotImplementedError):
            model.get_token_ids("abc")


async def test_the_key_is_not_shown() -> None:
    async with opened("http://127.0.0.1:9/v1") as model:
        assert "a-key" not in repr(model)


class TestUnit(ChatModelUnitTests):
    """LangChain's own suite."""

    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return RemoteChatModel

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"base_url": "http://127.0.0.1:9/v1", "api_key": "x", "model": "qwen"}

    @property
    def has_structured_output(self) -> bool:
        return False
