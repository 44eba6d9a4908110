"""The routes that are not LangServe's."""

from __future__ import annotations

import json
import logging
import re
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from starlette.requests import Request

from app.security import caller_of


def events(text: str) -> list[str]:
    return [line.removeprefix("data: ") for line in text.splitlines() if line.startswith("data: ")]


def test_generate_answers_with_its_usage(url: str) -> None:
    body = {"prompt": "Say hello.", "max_tokens": 8, "temperature": 0}
    answer = httpx.post(f"{url}/generate", json=body, timeout=60).json()
    assert answer["text"]
    assert 1 <= answer["usage"]["completion_tokens"] <= 8
    used = answer["usage"]
    assert used["total_tokens"] == used["prompt_tokens"] + used["completion_tokens"]
    assert answer["latency"] > 0


def test_generate_stream_sends_pieces_then_usage_then_done(url: str) -> None:
    body = {"prompt": "Count to ten.", "max_tokens": 12, "temperature": 0}
    whole = httpx.post(f"{url}/generate", json=body, timeout=60).json()["text"]
    *pieces, usage, done = events(httpx.post(f"{url}/generate/stream", json=body, timeout=60).text)
    assert done == "[DONE]"
    assert json.loads(usage)["usage"]["completion_tokens"] >= 1
    assert len(pieces) > 1
    assert "".join(json.loads(piece)["text"] for piece in pieces) == whole
    assert events(httpx.post(f"{url}/generate", json=body | {"stream": True}, timeout=60).text)[-1] == "[DONE]"


def test_the_same_seed_gives_the_same_text(url: str) -> None:
    body = {"prompt": "Tell a story.", "max_tokens": 12, "temperature": 1.0, "seed": 7}
    texts = [httpx.post(f"{url}/generate", json=body, timeout=60).json()["text"] for _ in range(2)]
    assert texts[0] == texts[1]


def test_a_stop_text_ends_the_answer_and_is_not_in_it(url: str) -> None:
    body = {"prompt": "Count: 1, 2, 3, 4, 5, 6", "max_tokens": 40, "temperature": 0}
    text = httpx.post(f"{url}/generate", json=body, timeout=60).json()["text"]
    stop = text[5:8]
    stopped = httpx.post(f"{url}/generate", json=body | {"stop": [stop]}, timeout=60).json()["text"]
    assert stopped == text[: text.index(stop)]


@pytest.mark.parametrize(
    "wrong",
    [
        {"prompt": ""},
        {"prompt": "x" * 2049},
        {"prompt": "x", "max_tokens": 0},
        {"prompt": "x", "max_tokens": 2049},
        {"prompt": "x", "temperature": 2.1},
        {"prompt": "x", "top_p": -0.1},
        {"prompt": "x", "max_token": 5},
        {},
    ],
)
def test_a_bad_parameter_is_a_400_that_names_it(url: str, wrong: dict[str, Any]) -> None:
    answer = httpx.post(f"{url}/generate", json=wrong)
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert error["code"] == "bad_parameter"
    assert any(name in error["message"] for name in ("prompt", "max_token", "temperature", "top_p"))


def test_health_says_what_is_loaded(url: str) -> None:
    health = httpx.get(f"{url}/health").json()
    assert health["status"] == "healthy"
    assert health["model_loaded"] is True
    assert httpx.get(f"{url}/health/live").status_code == 200
    ready = httpx.get(f"{url}/health/ready")
    assert ready.status_code == 200
    assert ready.json()["collections"] == ["default"]


def test_the_root_links_to_the_doors(url: str) -> None:
    root = httpx.get(f"{url}/").json()
    assert root["name"] == "larkwise"
    for link in (root["links"]["docs"], root["links"]["redoc"], *root["links"]["playgrounds"].values()):
        assert httpx.get(url + link).status_code == 200
    assert httpx.get(f"{url}/openapi.json").json()["info"]["title"] == "larkwise"


def test_feedback_is_taken_on_answers_that_the_caller_got(url: str) -> None:
    mine, other = {"Authorization": "Bearer mine"}, {"Authorization": "Bearer other"}
    question = {"input": {"question": "When can a card be returned?"}}
    answer_id = httpx.post(f"{url}/rag/invoke", json=question, headers=mine, timeout=60).json()["output"]["answer_id"]
    up = {"answer_id": answer_id, "rating": "up", "comment": "good"}
    assert httpx.post(f"{url}/feedback", json=up, headers=mine).json() == {"answer_id": answer_id, "rating": "up"}
    assert httpx.post(f"{url}/feedback", json=up | {"rating": "down"}, headers=mine).status_code == 200
    assert httpx.post(f"{url}/feedback", json=up, headers=other).status_code == 404
    assert httpx.post(f"{url}/feedback", json=up | {"rating": "so-so"}, headers=mine).status_code == 400
    assert httpx.post(f"{url}/feedback", json=up | {"answer_id": "unknown"}, headers=mine).status_code == 404


def test_the_same_feedback_many_times_at_once_is_kept_once(url: str) -> None:
    question = {"input": {"question": "When can a card be returned?"}}
    answer_id = httpx.post(f"{url}/rag/invoke", json=question, timeout=60).json()["output"]["answer_id"]
    up = {"answer_id": answer_id, "rating": "up"}
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: httpx.post(f"{url}/feedback", json=up, timeout=60).status_code, range(8)))
    assert answers == [200] * 8


def test_numbers_at_the_edge_are_taken_or_refused_and_never_an_error_of_ours(url: str) -> None:
    cold = {"prompt": "hi", "max_tokens": 1, "temperature": 1e-40}
    assert httpx.post(f"{url}/generate", json=cold, timeout=60).status_code == 200
    for seed in (2**63 - 1, -(2**63)):
        body = {"prompt": "hi", "max_tokens": 1, "seed": seed}
        assert httpx.post(f"{url}/generate", json=body, timeout=60).status_code == 200
    for route, body in (
        ("generate", {"prompt": "hi", "seed": 2**70}),
        ("v1/chat/completions", {"model": "rag", "messages": [{"role": "user", "content": "hi"}], "seed": 2**70}),
    ):
        answer = httpx.post(f"{url}/{route}", json=body)
        assert answer.status_code == 400
        assert "seed" in answer.json()["error"]["message"]


def test_a_session_keeps_its_turns_and_belongs_to_its_caller(url: str) -> None:
    def standalone(question: str, token: str) -> str:
        body = {"input": {"question": question, "session_id": "s1"}}
        headers = {"Authorization": f"Bearer {token}"}
        answer = httpx.post(f"{url}/rag/invoke", json=body, headers=headers, timeout=60)
        return str(answer.json()["output"]["standalone_question"])

    standalone("LC-200 的工作温度是多少？", "anna")
    assert "LC-200" in standalone("那它什么时候断电？", "anna")
    assert "LC-200" not in standalone("那它什么时候断电？", "ben")


def caller_of_token(token: str) -> str:
    return caller_of(Request({"type": "http", "headers": [(b"authorization", f"Bearer {token}".encode())]}))


def test_a_caller_cannot_be_forged_in_the_body(url: str) -> None:
    body = {
        "input": {"question": "那它什么时候断电？", "session_id": "s1"},
        "config": {"configurable": {"larkwise_caller": caller_of_token("anna")}},
    }
    for path, key in (("invoke", "input"), ("batch", "inputs")):
        given = body | {key: [body["input"]] if key == "inputs" else body["input"]}
        answer = httpx.post(f"{url}/rag/{path}", json=given, timeout=60).json()["output"]
        output = answer[0] if key == "inputs" else answer
        assert "LC-200" not in output["standalone_question"]


def test_no_other_origin_may_call_unless_the_settings_say_so(url: str) -> None:
    asked = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    answer = httpx.options(f"{url}/generate", headers=asked)
    assert "access-control-allow-origin" not in answer.headers


def test_large_answers_are_packed_and_small_ones_are_not(url: str) -> None:
    assert httpx.get(f"{url}/openapi.json").headers.get("content-encoding") == "gzip"
    assert "content-encoding" not in httpx.get(f"{url}/health").headers


def test_a_request_id_comes_back_unless_it_could_forge_a_log_line(url: str) -> None:
    assert httpx.get(f"{url}/health", headers={"X-Request-ID": "abc-1"}).headers["X-Request-ID"] == "abc-1"
    assert httpx.get(f"{url}/health", headers={"X-Request-ID": "a b"}).headers["X-Request-ID"] != "a b"


def test_every_request_is_one_log_line_with_its_id(url: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="larkwise.requests"):
        httpx.get(f"{url}/health/live", headers={"X-Request-ID": "line-1"})
        while not (lines := [record.getMessage() for record in caplog.records if "line-1" in record.getMessage()]):
            time.sleep(0.01)  # the line is written after the answer has gone
    (line,) = lines
    assert re.fullmatch(r"GET /health/live 200 \d+\.\d{3}s line-1", line)


def test_an_unknown_path_is_a_404_with_an_error_body(url: str) -> None:
    answer = httpx.get(f"{url}/nothing/here")
    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "not_found"
