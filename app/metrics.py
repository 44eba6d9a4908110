"""What Prometheus reads: requests over HTTP, and what the engine does."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping

from prometheus_client import CollectorRegistry, Counter, GCCollector, Histogram, PlatformCollector, ProcessCollector
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from app.version import VERSION
from models.engine.requests import EngineLoad, RequestFacts, StepFacts

CONTENT_TYPE = CONTENT_TYPE_LATEST
_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40, 60, 120, 300)
_STEP_SECONDS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2)
_WINDOW_S = 60.0


class Metrics:
    """
    The numbers of one application; `load` says how busy its engine is, None where it has none.

    It is also the engine's observer (`models.engine.requests.Observer`).
    """

    def __init__(self, *, is_ready: Callable[[], bool], load: Callable[[], EngineLoad | None]) -> None:
        self.registry = registry = CollectorRegistry()
        for process in (ProcessCollector, PlatformCollector, GCCollector):
            process(registry=registry)
        self._speed = _Speed()
        registry.register(_Gauges(is_ready, load, self._speed))
        self._http = Histogram(
            "larkwise_http_request_seconds",
            "Requests over HTTP until their last byte",
            ("method", "route", "status"),
            buckets=_SECONDS,
            registry=registry,
        )
        self._ended = Counter("larkwise_completions", "Completions by how they ended", ("outcome",), registry=registry)
        self._tokens = Counter(
            "larkwise_tokens", "Tokens of prompts, of prompts from the cache, and written", ("kind",), registry=registry
        )
        self._feishu = Counter(
            "larkwise_feishu_events", "Events of Feishu by how they fared at the door", ("outcome",), registry=registry
        )
        self._waiting = _histogram(registry, "larkwise_waiting_seconds", "From submission until work on it began")
        self._first = _histogram(registry, "larkwise_time_to_first_token_seconds", "From submission to the first token")
        self._latency = _histogram(registry, "larkwise_completion_seconds", "From submission to the last token")
        self._steps = Histogram("larkwise_step_seconds", "Steps of the model", buckets=_STEP_SECONDS, registry=registry)

    def feishu(self, outcome: str) -> None:
        """An event has come from Feishu, or what pretends to be one; from any thread."""
        self._feishu.labels(outcome).inc()

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """A request over HTTP has its answer."""
        self._http.labels(method, route, str(status)).observe(seconds)

    def stepped(self, facts: StepFacts) -> None:
        """The engine has made a step."""
        self._steps.observe(facts.seconds)
        self._speed.add(facts.completion_tokens)

    def ended(self, facts: RequestFacts) -> None:
        """The engine has done with a request."""
        self._ended.labels(facts.outcome).inc()
        self._tokens.labels("prompt").inc(facts.prompt_tokens)
        self._tokens.labels("cached").inc(facts.cached_tokens)
        self._tokens.labels("completion").inc(facts.completion_tokens)
        self._waiting.observe(facts.waiting_s)
        self._latency.observe(facts.total_s)
        if facts.first_token_s is not None:
            self._first.observe(facts.first_token_s)

    def page(self, jobs: Mapping[str, int] | None = None) -> bytes:
        """The text that Prometheus reads; `jobs` says how many there are of each status."""
        return generate_latest(self.registry) + generate_latest(_Jobs(jobs or {}))


class _Speed:
    """Tokens written in the last minute; told from the engine's thread, asked from others."""

    def __init__(self) -> None:
        self._steps: deque[tuple[float, int]] = deque()
        self._lock = threading.Lock()

    def add(self, tokens: int) -> None:
        with self._lock:
            self._steps.append((time.monotonic(), tokens))
            self._forget()

    def per_second(self) -> float:
        with self._lock:
            self._forget()
            return sum(tokens for _, tokens in self._steps) / _WINDOW_S

    def _forget(self) -> None:
        while self._steps and self._steps[0][0] < time.monotonic() - _WINDOW_S:
            self._steps.popleft()


class _Gauges(Collector):
    """What is asked for at the moment of reading."""

    def __init__(self, is_ready: Callable[[], bool], load: Callable[[], EngineLoad | None], speed: _Speed) -> None:
        self._is_ready = is_ready
        self._load = load
        self._speed = speed

    def collect(self) -> Iterator[Metric]:
        build = GaugeMetricFamily("larkwise_build_info", "The version that runs", labels=["version"])
        build.add_metric([VERSION], 1)
        yield build
        yield _gauge("larkwise_tokens_per_second", "Tokens written, over the last minute", self._speed.per_second())
        yield _gauge("larkwise_model_loaded", "1 when the model can answer", self._is_ready())
        if (load := self._load()) is not None:
            yield from _engine_gauges(load)


class _Jobs(CollectorRegistry):
    """A registry of its own: what it holds comes with the call."""

    def __init__(self, jobs: Mapping[str, int]) -> None:
        super().__init__()
        self._jobs = jobs

    def collect(self) -> Iterator[Metric]:
        if self._jobs:
            gauge = GaugeMetricFamily("larkwise_jobs", "Uploads that are indexed, by their state", labels=["status"])
            for status, count in self._jobs.items():
                gauge.add_metric([status], count)
            yield gauge


def _engine_gauges(load: EngineLoad) -> Iterator[Metric]:
    yield _gauge("larkwise_queue_length", "Requests that wait", load.waiting)
    yield _gauge("larkwise_queue_limit", "Requests that may wait", load.max_waiting)
    yield _gauge("larkwise_batch_size", "Completions that share each step", load.running)
    yield _gauge("larkwise_batch_limit", "Completions that may share a step", load.max_running)
    yield _gauge("larkwise_tokens_in_flight", "Tokens reserved by running completions", load.tokens_in_flight)
    yield _gauge("larkwise_tokens_in_flight_limit", "Tokens that may be reserved", load.max_tokens_in_flight)
    yield _gauge("larkwise_prefix_cache_bytes", "Memory of the beginnings that are kept", load.prefix_bytes)


def _gauge(name: str, what: str, value: float) -> Metric:
    return GaugeMetricFamily(name, what, value=value)


def _histogram(registry: CollectorRegistry, name: str, what: str) -> Histogram:
    return Histogram(name, what, buckets=_SECONDS, registry=registry)
