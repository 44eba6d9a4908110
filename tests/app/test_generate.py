"""/generate and its siblings when there is much to do, and when things go wrong."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import torch

from app.factory import create_app
from models.chat import LocalChatModel
from models.engine.scheduler import EngineLimits
from models.loading import close_chat_model, load_local_chat_model
from tests.app.servers import Service, running, wait_until

HELLO = {"prompt": "Say hello.", "max_tokens": 6, "temperature": 0}
LONG = {"prompt": "Tell a long story.", "max_tokens": 2000, "temperature": 2, "top_p": 1}


@contextmanager
def serving(service: Service, model: LocalChatModel) -> Iterator[str]:
    """The service with another model."""
    services = dataclasses.replace(service.services, model=model)
    with running(create_app(services.settings, services=services)) as url:
        yield url


@pytest.fixture(scope="module")
def narrow(smollm2_folder: Path) -> Iterator[LocalChatModel]:
    """One runs, one waits."""
    model = load_local_chat_model(
        smollm2_folder,
        name="narrow",
        threads=1,
        dtype=torch.float32,
        limits=EngineLimits(max_running=1, max_waiting=1, max_tokens_in_flight=4096),
    )
    yield model
    close_chat_model(model)


@contextmanager
def occupied(service: Service, model: LocalChatModel) -> Iterator[None]:
    """Somebody else's long answer is being made meanwhile."""
    with serving(service, endless(model)) as url:
        with httpx.stream("POST", f"{url}/generate/stream", json=LONG, timeout=60) as answer:
            lines = answer.iter_lines()  # kept: the connection is closed with it
            next(lines)
            yield
        wait_until(lambda: model.load().running == 0)


def endless(model: LocalChatModel) -> LocalChatModel:
    """It never ends an answer by itself."""
    return model.model_copy(update={"stop_ids": frozenset()})


def test_a_batch_is_answered_in_order_as_each_would_be_alone(url: str) -> None:
    prompts = ["Say hello.", "Count to three.", "Name a colour."]
    bodies = [HELLO | {"prompt": prompt} for prompt in prompts]
    alone = [httpx.post(f"{url}/generate", json=body, timeout=60).json() for body in bodies]
    batch = httpx.post(f"{url}/generate/batch", json={"requests": bodies}, timeout=60).json()["results"]
    assert [each["text"] for each in batch] == [each["text"] for each in alone]
    assert [each["usage"] for each in batch] == [each["usage"] for each in alone]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"requests": []}, "requests"),
        ({"requests": [HELLO] * 33}, "requests"),
        ({"requests": [HELLO, HELLO | {"stream": True}]}, "stream"),
        ({"requests": [HELLO, HELLO | {"max_tokens": 0}]}, "requests.1.max_tokens"),
    ],
)
def test_a_batch_that_cannot_be_is_refused_as_a_whole(url: str, body: dict[str, Any], words: str) -> None:
    answer = httpx.post(f"{url}/generate/batch", json=body)
    assert answer.status_code == 400
    assert words in answer.json()["error"]["message"]


def test_one_that_fails_in_a_batch_has_its_error_in_its_place(service: Service, smollm2: LocalChatModel) -> None:
    short = smollm2.model_copy(update={"context_length": 60})
    with serving(service, short) as url:
        bodies = [HELLO, HELLO | {"prompt": "word " * 100}, HELLO]
        results = httpx.post(f"{url}/generate/batch", json={"requests": bodies}, timeout=60).json()["results"]
    assert results[0]["text"] == results[2]["text"] != ""
    assert results[1]["error"]["code"] == "prompt_too_long"


@pytest.mark.parametrize("path", ["/generate", "/generate/stream"])
def test_a_prompt_that_leaves_no_room_is_a_400_that_names_the_limits(
    service: Service, smollm2: LocalChatModel, path: str
) -> None:
    short = smollm2.model_copy(update={"context_length": 60})
    with serving(service, short) as url:
        answer = httpx.post(url + path, json=HELLO | {"prompt": "word " * 100})
    assert answer.status_code == 400
    assert "holds 60" in answer.json()["error"]["message"]


@pytest.mark.parametrize("path", ["/generate", "/generate/stream"])
def test_a_request_that_the_engine_may_never_hold_is_a_400(service: Service, narrow: LocalChatModel, path: str) -> None:
    large = narrow.model_copy(update={"context_length": 10**6, "max_tokens": 5000})
    with serving(service, large) as url:
        answer = httpx.post(
            f"{url}/v1/chat/completions",
            json={"model": "smollm2-135m-instruct", "messages": [{"role": "user", "content": "hi"}]}
            | ({"stream": True} if "stream" in path else {}),
        )
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "request_too_large"


@pytest.mark.parametrize("path", ["/generate", "/generate/stream"])
def test_one_too_many_is_a_429_that_says_when_to_come_again(
    service: Service, narrow: LocalChatModel, path: str
) -> None:
    with serving(service, narrow) as url, occupied(service, narrow):
        with httpx.stream("POST", f"{url}/generate/stream", json=HELLO, timeout=60):  # after 2 s it is a heartbeat
            answer = httpx.post(url + path, json=HELLO, timeout=60)
        assert answer.status_code == 429
        assert answer.json()["error"]["code"] == "too_many_requests"
        assert int(answer.headers["Retry-After"]) >= 1


def test_who_waits_too_long_is_told_408(service: Service, narrow: LocalChatModel) -> None:
    hasty = narrow.model_copy(update={"queue_timeout": 0.3})
    with serving(service, hasty) as url, occupied(service, narrow):
        for path in ("/generate", "/generate/stream"):
            answer = httpx.post(url + path, json=HELLO, timeout=60)
            assert answer.status_code == 408
            assert answer.json()["error"]["code"] == "timeout"


def test_who_waits_gets_heartbeats_and_a_late_time_out_is_an_event(service: Service, narrow: LocalChatModel) -> None:
    hasty = narrow.model_copy(update={"queue_timeout": 8.0})
    with serving(service, hasty) as url, occupied(service, narrow):
        answer = httpx.post(f"{url}/generate/stream", json=HELLO, timeout=60)
    assert answer.status_code == 200
    lines = answer.text.splitlines()
    assert ": waiting" in lines
    error = json.loads(lines[lines.index("event: error") + 1].removeprefix("data: "))["error"]
    assert error["code"] == "timeout"
    assert error["request_id"] == answer.headers["X-Request-ID"]
    assert "[DONE]" not in answer.text


def test_a_time_out_in_the_middle_is_an_event_after_what_was_written(service: Service, narrow: LocalChatModel) -> None:
    hasty = endless(narrow).model_copy(update={"timeout": 1.5})
    with serving(service, hasty) as url:
        lines = httpx.post(f"{url}/generate/stream", json=LONG, timeout=60).text.splitlines()
    assert lines[0].startswith('data: {"text"')
    assert "event: error" in lines


def test_many_at_once_are_answered_together(service: Service) -> None:
    bodies = [HELLO | {"prompt": f"Name the number {number}.", "max_tokens": 16} for number in range(12)]
    answer = httpx.post(f"{service.url}/generate/batch", json={"requests": bodies}, timeout=120)
    assert all(result["text"] for result in answer.json()["results"])
    assert service.busy == 0
