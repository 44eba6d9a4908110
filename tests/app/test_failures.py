"""The model fails: whoever is affected learns it, with an id, and the others go on."""

from __future__ import annotations

import json
import logging
from contextlib import AbstractContextManager

import httpx
import pytest

from models.chat import LocalChatModel
from models.errors import OutOfMemory
from tests.app.engines import FailingEngine, on_engine
from tests.app.servers import Service
from tests.app.test_http import caller_of_token

HELLO = {"prompt": "Say hello.", "max_tokens": 6}


def failing(
    service: Service, model: LocalChatModel, error: Exception, *, tokens: int = 0
) -> AbstractContextManager[str]:
    """A service whose model fails after so many tokens."""
    return on_engine(service, model, FailingEngine(error, tokens=tokens))


@pytest.mark.parametrize("path", ["/generate", "/generate/stream"])
def test_a_model_that_raises_is_a_500_whose_id_is_in_the_log(
    service: Service, smollm2: LocalChatModel, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    with failing(service, smollm2, RuntimeError("a matrix of the wrong shape")) as url:
        answer = httpx.post(url + path, json=HELLO, headers={"X-Request-ID": "failed-1"})
    assert answer.status_code == 500
    assert answer.json()["error"]["code"] == "model_failed"
    assert answer.json()["error"]["request_id"] == "failed-1"
    (record,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert record.getMessage() == "request failed-1 failed"


@pytest.mark.parametrize("path", ["/generate", "/generate/stream"])
def test_no_memory_for_a_request_is_a_503_that_says_when_to_come_again(
    service: Service, smollm2: LocalChatModel, path: str
) -> None:
    with failing(service, smollm2, OutOfMemory("there is no memory for this request")) as url:
        answer = httpx.post(url + path, json=HELLO)
    assert answer.status_code == 503
    assert answer.json()["error"]["code"] == "out_of_memory"
    assert answer.headers["Retry-After"] == "5"


def test_after_the_first_byte_it_is_an_event(service: Service, smollm2: LocalChatModel) -> None:
    with failing(service, smollm2, RuntimeError("too late"), tokens=3) as url:
        answer = httpx.post(f"{url}/generate/stream", json=HELLO)
    assert answer.status_code == 200
    *_, event, data = (line for line in answer.text.splitlines() if line)
    assert event == "event: error"
    assert json.loads(data.removeprefix("data: "))["error"]["request_id"] == answer.headers["X-Request-ID"]


def test_a_stream_of_langserve_ends_in_order_as_well(service: Service, smollm2: LocalChatModel) -> None:
    """An error within it would break the connection otherwise."""
    with failing(service, smollm2, RuntimeError("too late"), tokens=3) as url:
        answer = httpx.post(f"{url}/endless/stream", json={"input": {"question": "?"}})
        assert "event: error" in answer.text
        assert httpx.get(f"{url}/health/ready").json()["engine"]["running"] == 0


def test_the_engine_knows_who_asks_at_every_door(service: Service, smollm2: LocalChatModel) -> None:
    """It takes turns between people; nobody can ask in another's name."""
    engine = FailingEngine(RuntimeError("no"), tokens=0)
    anna, forged = {"Authorization": "Bearer anna"}, {"configurable": {"larkwise_caller": "ben"}}
    messages = [{"role": "user", "content": "?"}]
    with on_engine(service, smollm2, engine) as url:
        for path, body in {
            "/generate": HELLO,
            "/generate/batch": {"requests": [HELLO]},
            "/endless/invoke": {"input": {"question": "?"}, "config": forged},
            "/endless/stream": {"input": {"question": "?"}},
            "/v1/chat/completions": {"model": "endless", "messages": messages, "user": "ben"},
            "/v1/chat/completions?": {"model": "smollm2-135m-instruct", "messages": messages, "user": "ben"},
        }.items():
            httpx.post(url + path, json=body, headers=anna)
    assert engine.users == [caller_of_token("anna")] * 6
