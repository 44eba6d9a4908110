"""A larkwise whose model is run by another server: here by a second larkwise, over OpenAI's interface."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from app.factory import create_app
from app.settings import Settings
from tests.app.servers import Service, running, wait_until, wait_until_ready
from tests.app.test_going_away import LONG, asking

HELLO = {"prompt": "Say hello.", "max_tokens": 6, "temperature": 0}


@pytest.fixture(scope="module")
def front(ingested: Settings, service: Service) -> Iterator[str]:
    changes = {"llm_provider": "openai", "llm_base_url": f"{service.url}/v1"}
    with running(create_app(ingested.model_copy(update=changes))) as url:
        wait_until_ready(url)
        yield url


@pytest.mark.parametrize("path", ["/generate", "/generate/stream"])
def test_it_answers_as_the_other_does(front: str, url: str, path: str) -> None:
    answers = [httpx.post(base + path, json=HELLO, timeout=60) for base in (front, url)]
    assert [answer.status_code for answer in answers] == [200, 200]
    if path == "/generate":
        assert answers[0].json()["text"] == answers[1].json()["text"]
        assert answers[0].json()["usage"] == answers[1].json()["usage"]


def test_chains_work_on_it(front: str) -> None:
    question = {"question": "Within how many days can a card be returned for a full refund?"}
    output = httpx.post(f"{front}/rag/invoke", json={"input": question}, timeout=60).json()["output"]
    assert output["sources"][0]["metadata"]["source"] == "refunds.md"
    assert output["answer"]


def test_a_client_that_goes_away_stops_the_generation_at_the_other_end(front: str, service: Service) -> None:
    with asking(front, "/generate/stream", LONG):
        wait_until(lambda: service.busy > 0)
    assert wait_until(lambda: service.busy == 0) < 2


def test_how_busy_the_other_is_is_not_known(front: str) -> None:
    assert "engine" not in httpx.get(f"{front}/health/ready").json()
    assert "larkwise_queue_length" not in httpx.get(f"{front}/metrics").text


def test_a_server_that_does_not_answer_is_a_503(ingested: Settings) -> None:
    changes = {"llm_provider": "openai", "llm_base_url": "http://127.0.0.1:1/v1"}
    with running(create_app(ingested.model_copy(update=changes))) as url:
        wait_until_ready(url)
        answer = httpx.post(f"{url}/generate", json=HELLO, timeout=60)
    assert answer.status_code == 503
    assert answer.json()["error"]["code"] == "model_unavailable"
    assert answer.headers["Retry-After"] == "5"
