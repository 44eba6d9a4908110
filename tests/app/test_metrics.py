"""What Prometheus and the readiness probe see."""

from __future__ import annotations

import httpx
from prometheus_client.parser import text_string_to_metric_families

from app.metrics import Metrics
from models.engine.requests import EngineLoad, RequestFacts, StepFacts
from tests.app.servers import Service

LOAD = EngineLoad(
    waiting=1, max_waiting=2, running=3, max_running=4, tokens_in_flight=5, max_tokens_in_flight=6, prefix_bytes=7
)
FACTS = RequestFacts(
    outcome="stop",
    prompt_tokens=10,
    cached_tokens=4,
    completion_tokens=6,
    waiting_s=0.1,
    first_token_s=0.5,
    total_s=1.5,
)


def values(page: str) -> dict[str, float]:
    """Sample with its labels, as it is written, and its value."""
    found: dict[str, float] = {}
    for family in text_string_to_metric_families(page):
        for sample in family.samples:
            labels = ",".join(sorted(sample.labels.values()))
            found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found


def test_the_engine_s_facts_become_numbers() -> None:
    metrics = Metrics(is_ready=lambda: True, load=lambda: LOAD)
    metrics.ended(FACTS)
    metrics.stepped(StepFacts(seconds=0.2, prompt_tokens=0, completion_tokens=30, requests=3))
    seen = values(metrics.page().decode())
    assert seen["larkwise_completions_total{stop}"] == 1
    assert seen["larkwise_tokens_total{prompt}"] == 10
    assert seen["larkwise_tokens_total{cached}"] == 4
    assert seen["larkwise_tokens_total{completion}"] == 6
    assert seen["larkwise_time_to_first_token_seconds_sum"] == 0.5
    assert seen["larkwise_waiting_seconds_sum"] == 0.1
    assert seen["larkwise_completion_seconds_sum"] == 1.5
    assert seen["larkwise_step_seconds_count"] == 1
    assert seen["larkwise_tokens_per_second"] == 0.5
    assert seen["larkwise_queue_length"] == 1
    assert seen["larkwise_batch_size"] == 3
    assert seen["larkwise_tokens_in_flight"] == 5
    assert seen["larkwise_prefix_cache_bytes"] == 7
    assert seen["larkwise_model_loaded"] == 1


def test_a_request_that_never_had_a_token_is_not_in_the_time_to_the_first() -> None:
    metrics = Metrics(is_ready=lambda: False, load=lambda: None)
    metrics.ended(RequestFacts("timeout", 10, 0, 0, 60.0, None, 60.0))
    seen = values(metrics.page().decode())
    assert seen["larkwise_time_to_first_token_seconds_count"] == 0
    assert seen["larkwise_completions_total{timeout}"] == 1
    assert "larkwise_queue_length" not in seen
    assert seen["larkwise_model_loaded"] == 0


def test_two_applications_count_apart() -> None:
    one, other = (Metrics(is_ready=lambda: True, load=lambda: LOAD) for _ in range(2))
    one.answered("GET", "/", 200, 0.1)
    assert "larkwise_http_request_seconds_count{/,200,GET}" in values(one.page().decode())
    assert "larkwise_http_request_seconds_count{/,200,GET}" not in values(other.page().decode())


def test_the_page_counts_what_the_service_does(url: str) -> None:
    def seen() -> dict[str, float]:
        return values(httpx.get(f"{url}/metrics").text)

    before = seen()
    httpx.post(f"{url}/generate", json={"prompt": "Say hello.", "max_tokens": 4, "temperature": 0}, timeout=60)
    httpx.get(f"{url}/v1/models/rag")
    httpx.get(f"{url}/some/path/that/is/not/there")
    after = seen()
    for name in (
        "larkwise_http_request_seconds_count{/generate,200,POST}",
        "larkwise_http_request_seconds_count{/v1/models/{model_id:path},200,GET}",
        "larkwise_http_request_seconds_count{404,GET,unknown}",
        "larkwise_time_to_first_token_seconds_count",
        "larkwise_completion_seconds_count",
    ):
        assert after[name] == before.get(name, 0) + 1, name
    assert after["larkwise_tokens_total{completion}"] > before.get("larkwise_tokens_total{completion}", 0)
    assert not any("some/path" in name for name in after)


def test_readiness_shows_how_busy_the_engine_is(service: Service) -> None:
    engine = httpx.get(f"{service.url}/health/ready").json()["engine"]
    assert engine["max_running"] == service.services.settings.llm_max_running
    assert engine["max_waiting"] == service.services.settings.llm_max_waiting
    assert {"waiting", "running", "tokens_in_flight", "max_tokens_in_flight", "prefix_bytes"} <= set(engine)
