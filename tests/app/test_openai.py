"""OpenAI's interface, with OpenAI's own client."""

from __future__ import annotations

from typing import Any

import httpx
import numpy as np
import openai
import pytest

from tests.app.servers import Service

MODEL = "smollm2-135m-instruct"
HELLO: Any = [{"role": "user", "content": "Say hello."}]
REFUND: Any = [{"role": "user", "content": "Within how many days can a card be returned for a full refund?"}]


@pytest.fixture
def client(url: str) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{url}/v1", api_key="lw_none", max_retries=0, timeout=60)


def test_the_model_answers_with_its_usage(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(model=MODEL, messages=HELLO, max_tokens=8, temperature=0)
    choice = answer.choices[0]
    assert choice.message.role == "assistant"
    assert choice.message.content
    assert choice.finish_reason in ("stop", "length")
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens > 0


def test_a_stream_is_the_same_answer_and_ends_with_its_usage_where_asked(client: openai.OpenAI) -> None:
    asked: dict[str, Any] = {"model": MODEL, "messages": HELLO, "max_tokens": 8, "temperature": 0}
    whole = client.chat.completions.create(**asked)
    *chunks, last = client.chat.completions.create(**asked, stream=True, stream_options={"include_usage": True})
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == whole.choices[0].message.content
    assert chunks[0].choices[0].delta.role == "assistant"
    assert chunks[-1].choices[0].finish_reason == whole.choices[0].finish_reason
    assert len({chunk.id for chunk in chunks}) == 1
    assert last.choices == []
    assert last.usage == whole.usage
    without = list(client.chat.completions.create(**asked, stream=True))
    assert all(chunk.usage is None for chunk in without)


async def test_the_asynchronous_client_works_too(url: str) -> None:
    async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="x", max_retries=0) as client:
        stream = await client.chat.completions.create(model=MODEL, messages=HELLO, max_tokens=8, stream=True)
        assert "".join([chunk.choices[0].delta.content or "" async for chunk in stream])


def test_stop_seed_and_length_do_what_they_say(client: openai.OpenAI) -> None:
    asked: dict[str, Any] = {"model": MODEL, "messages": HELLO, "temperature": 0}
    text = client.chat.completions.create(**asked, max_completion_tokens=12).choices[0].message.content or ""
    stopped = client.chat.completions.create(**asked, max_tokens=12, stop=text[4:7]).choices[0]
    assert (stopped.message.content, stopped.finish_reason) == (text[: text.index(text[4:7])], "stop")
    assert client.chat.completions.create(**asked, max_tokens=12, stop=[text[4:7], "x"]).choices[0] == stopped
    random: dict[str, Any] = asked | {"temperature": 1.5, "seed": 5, "max_tokens": 8}
    texts = {client.chat.completions.create(**random).choices[0].message.content for _ in range(3)}
    assert len(texts) == 1
    long = client.chat.completions.create(**asked, max_tokens=60, extra_body={"ignore_eos": True})
    assert long.usage is not None
    assert long.usage.completion_tokens == 60
    assert long.choices[0].finish_reason == "length"


def test_a_conversation_with_a_system_message_and_text_parts_is_read(client: openai.OpenAI) -> None:
    messages: Any = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "Hello."}]},
        {"role": "assistant", "content": "Hello!"},
        {"role": "user", "content": "Say it again."},
    ]
    assert client.chat.completions.create(model=MODEL, messages=messages, max_tokens=8).choices[0].message.content


@pytest.mark.parametrize("model", ["rag", "rag:default"])
def test_a_chain_is_a_model_with_its_sources(client: openai.OpenAI, model: str) -> None:
    answer = client.chat.completions.create(model=model, messages=REFUND)
    message = answer.choices[0].message
    beside = (message.model_extra or {})["larkwise"]
    assert message.content
    assert beside["sources"][0]["metadata"]["source"] == "refunds.md"
    fields = {"answer_id", "standalone_question", "sources", "citations", "confidence", "refused", "mode", "signals"}
    assert set(beside) == fields
    assert answer.usage is not None
    assert answer.usage.prompt_tokens > 0
    *_, last = client.chat.completions.create(model=model, messages=REFUND, stream=True)
    assert (last.choices[0].delta.model_extra or {})["larkwise"]["citations"] == beside["citations"]


def test_earlier_messages_are_the_history_of_a_chain(client: openai.OpenAI) -> None:
    messages: Any = [
        {"role": "user", "content": "LC-200 的工作温度是多少？"},
        {"role": "assistant", "content": "5 到 45 °C。"},
        {"role": "user", "content": "那它什么时候断电？"},
    ]
    answer = client.chat.completions.create(model="rag", messages=messages)
    assert "LC-200" in (answer.choices[0].message.model_extra or {})["larkwise"]["standalone_question"]
    alone = client.chat.completions.create(model="rag", messages=messages[-1:])
    assert "LC-200" not in (alone.choices[0].message.model_extra or {})["larkwise"]["standalone_question"]


def test_chains_that_take_one_text_are_models_too(client: openai.OpenAI) -> None:
    for model in ("chat", "summarize", "echo"):
        answer = client.chat.completions.create(model=model, messages=HELLO)
        assert answer.choices[0].message.content


def test_the_models_are_listed(client: openai.OpenAI) -> None:
    ids = [model.id for model in client.models.list()]
    assert ids[0] == MODEL
    assert {"rag", "rag:default", "chat", "summarize", "use-multilingual-v3+all-minilm-l6-v2"} <= set(ids)
    assert client.models.retrieve("rag:default").id == "rag:default"
    with pytest.raises(openai.NotFoundError, match="there is no model 'gpt-9'"):
        client.models.retrieve("gpt-9")


@pytest.mark.parametrize(
    ("changed", "error", "words"),
    [
        ({"model": "gpt-9"}, openai.NotFoundError, "gpt-9"),
        ({"model": "rag:nowhere"}, openai.NotFoundError, "nowhere"),
        ({"model": "chat:default"}, openai.NotFoundError, "chat:default"),
        ({"model": "rag", "messages": [{"role": "user", "content": "x" * 2049}]}, openai.BadRequestError, "2048"),
        ({"n": 2}, openai.BadRequestError, "n: "),
        ({"temperature": 2.5}, openai.BadRequestError, "temperature"),
        ({"top_p": -1}, openai.BadRequestError, "top_p"),
        ({"max_tokens": 0}, openai.BadRequestError, "max_tokens"),
        ({"frequency_penalty": 1}, openai.BadRequestError, "frequency_penalty"),
        ({"tools": [{"type": "function"}]}, openai.BadRequestError, "tools"),
        ({"response_format": {"type": "json_object"}}, openai.BadRequestError, "response_format"),
        ({"extra_body": {"top_k": 5}}, openai.BadRequestError, "top_k"),
        ({"messages": []}, openai.BadRequestError, "messages"),
        ({"messages": [{"role": "assistant", "content": "x"}]}, openai.BadRequestError, "messages"),
        ({"messages": [{"role": "tool", "content": "x"}]}, openai.BadRequestError, "role"),
        ({"messages": [{"role": "user", "content": "word " * 9000}]}, openai.BadRequestError, "context holds 8192"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_what_cannot_be_is_an_error_of_the_right_class_that_names_it(
    client: openai.OpenAI, changed: dict[str, Any], error: type[openai.APIStatusError], words: str, stream: bool
) -> None:
    asked: dict[str, Any] = {"model": MODEL, "messages": HELLO, "stream": stream} | changed
    with pytest.raises(error, match=words) as raised:
        client.chat.completions.create(**asked)
    assert raised.value.body is not None
    body: Any = raised.value.body
    assert body["request_id"] == raised.value.response.headers["X-Request-ID"]
    assert {"code", "message", "type", "param"} <= set(body)


def test_stream_options_are_for_streams(client: openai.OpenAI) -> None:
    options: Any = {"include_usage": True}
    with pytest.raises(openai.BadRequestError, match="stream_options"):
        client.chat.completions.create(model=MODEL, messages=HELLO, stream_options=options)


def test_what_asks_for_nothing_special_is_taken(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(
        model=MODEL,
        messages=HELLO,
        max_tokens=4,
        n=1,
        frequency_penalty=0,
        presence_penalty=0,
        logprobs=False,
        logit_bias={},
        response_format={"type": "text"},
        user="somebody",
        stop=None,
    )
    assert answer.choices[0].finish_reason == "length"


def test_texts_become_vectors_in_either_encoding(client: openai.OpenAI, service: Service) -> None:
    texts = ["What is a chip?", "什么是芯片？"]
    packed = client.embeddings.create(model="use-multilingual-v3+all-minilm-l6-v2", input=texts)
    plain = client.embeddings.create(model="use-multilingual-v3+all-minilm-l6-v2", input=texts, encoding_format="float")
    ours = service.services.embedding.embed_documents(texts)
    for at in range(2):
        assert np.allclose(packed.data[at].embedding, plain.data[at].embedding, atol=1e-6)
        assert np.allclose(plain.data[at].embedding, ours[at], atol=1e-6)
    one = client.embeddings.create(model="use-multilingual-v3+all-minilm-l6-v2", input=texts[0])
    assert np.allclose(one.data[0].embedding, packed.data[0].embedding, atol=1e-6)


def test_embeddings_that_cannot_be_are_refused(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match="text-embedding-3-small"):
        client.embeddings.create(model="text-embedding-3-small", input="x")
    for bad in ("", [], ["x"] * 257, "x" * 8193):
        with pytest.raises(openai.BadRequestError, match="input"):
            client.embeddings.create(model="use-multilingual-v3+all-minilm-l6-v2", input=bad)


def test_a_body_that_is_not_json_is_a_400(url: str) -> None:
    answer = httpx.post(f"{url}/v1/chat/completions", content=b"{", headers={"Content-Type": "application/json"})
    assert answer.status_code == 400
