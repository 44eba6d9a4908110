"""The start, while the model is loading, and the end, while answers are running: real processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.services import model_folder, open_weights
from app.settings import Settings
from models import conversion, loading
from models.errors import WeightsInvalid
from models.weights import WeightsStore
from tests.app.servers import is_ready, wait_until, wait_until_ready

BIN = Path(sys.executable).parent
ROOT = Path(__file__).parents[2]
CHAT: dict[str, Any] = {
    "model": "smollm2-135m-instruct",
    "messages": [{"role": "user", "content": "Tell a long story."}],
    "ignore_eos": True,
    "max_tokens": 6000,
}


def environment(settings: Settings, **more: str) -> dict[str, str]:
    return os.environ | {
        "LARKWISE_DATA_DIR": str(settings.data_dir),
        "LARKWISE_CACHE_DIR": str(settings.cache_dir),
        "LARKWISE_LLM_MODEL": settings.llm_model,
        "LARKWISE_LLM_THREADS": "1",
        "LARKWISE_OFFLINE": "true",
        "LARKWISE_CHAINS": "tests.app.endless:SPEC",
        "PYTHONPATH": str(ROOT),
        "PYTHONUNBUFFERED": "1",
        **more,
    }


class Served:
    """A process that serves, and what it writes."""

    def __init__(self, command: list[str], variables: dict[str, str], port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.process = subprocess.Popen(
            command, env=variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT
        )
        self.lines: list[str] = []
        self._reading = threading.Thread(target=self._read)
        self._reading.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as output:
            self.lines.extend(output)

    def is_alive_over_http(self) -> bool:
        assert self.process.poll() is None, "".join(self.lines)
        try:
            return httpx.get(f"{self.url}/health/live", timeout=5).status_code == 200
        except httpx.TransportError:
            return False

    def wait(self) -> tuple[int, str]:
        """Its exit code, and everything that it wrote."""
        code = self.process.wait(timeout=90)
        self._reading.join()
        return code, "".join(self.lines)


@contextmanager
def served(settings: Settings, port: int, *command: str, **more: str) -> Iterator[Served]:
    one = Served([str(BIN / command[0]), *command[1:]], environment(settings, **more), port)
    try:
        yield one
    finally:
        one.process.kill()
        one.wait()


@pytest.fixture
def port(unused_tcp_port: int) -> int:
    return unused_tcp_port


@pytest.mark.parametrize(
    "command", [("larkwise", "serve", "--port", "{}"), ("uvicorn", "app.server:app", "--port", "{}")]
)
def test_it_lives_at_once_and_is_ready_when_the_model_is(
    ingested: Settings, port: int, command: tuple[str, ...]
) -> None:
    with served(ingested, port, *(part.format(port) for part in command)) as one:
        wait_until(one.is_alive_over_http)
        before = httpx.get(f"{one.url}/health/ready")
        asked = httpx.post(f"{one.url}/generate", json={"prompt": "hi", "max_tokens": 2})
        for answer in (before, asked):
            assert answer.status_code == 503
            assert int(answer.headers["Retry-After"]) >= 1
            assert "loading its model" in answer.json()["error"]["message"]
        assert httpx.get(f"{one.url}/health").json()["model_loaded"] is False
        wait_until_ready(one.url)
        assert httpx.post(f"{one.url}/generate", json={"prompt": "hi", "max_tokens": 2}, timeout=60).status_code == 200
        if command[0] == "larkwise":
            wait_until(lambda: any(f"{one.url}/rag/playground/" in line for line in one.lines))


@pytest.mark.parametrize(
    "command", [("larkwise", "serve", "--port", "{}"), ("uvicorn", "app.server:app", "--port", "{}")]
)
def test_what_cannot_be_loaded_ends_the_process_with_a_sentence(
    settings: Settings, tmp_path: Path, port: int, command: tuple[str, ...]
) -> None:
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "config.json").write_text("{}")
    variables = {"LARKWISE_LLM_MODEL": str(tmp_path / "broken"), "LARKWISE_DATA_DIR": str(tmp_path / "var")}
    with served(settings, port, *(part.format(port) for part in command), **variables) as one:
        code, written = one.wait()
    assert code == 1
    assert "does not hold a model that can be loaded" in written
    assert "Traceback" not in written


@contextmanager
def ready(settings: Settings, port: int, *command: str, timeout_s: str) -> Iterator[Served]:
    with served(settings, port, *command, LARKWISE_SHUTDOWN_TIMEOUT_S=timeout_s) as one:
        wait_until(one.is_alive_over_http)
        wait_until(lambda: is_ready(one.url))
        yield one


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/chat/completions", CHAT | {"stream": True}),
        ("/endless/stream", {"input": {"question": "Tell a long story."}}),
    ],
)
def test_a_stream_that_does_not_end_in_time_ends_with_an_error_event(
    ingested: Settings, port: int, path: str, body: dict[str, Any]
) -> None:
    with ready(ingested, port, "larkwise", "serve", "--port", str(port), timeout_s="1") as one:
        with httpx.stream("POST", one.url + path, json=body, timeout=60) as answer:
            lines = answer.iter_lines()
            next(lines)
            one.process.send_signal(signal.SIGTERM)
            rest = [line for line in lines if line]
        assert rest[-2] == "event: error"
        assert json.loads(rest[-1].removeprefix("data: "))["error"]["code"] == "shutting_down"
        code, written = one.wait()
    assert code == -signal.SIGTERM
    assert "Traceback" not in written


def test_an_answer_that_ends_in_time_is_whole(ingested: Settings, port: int) -> None:
    with ready(ingested, port, "uvicorn", "app.server:app", "--port", str(port), timeout_s="60") as one:
        body = CHAT | {"stream": True, "max_tokens": 100}
        with httpx.stream("POST", f"{one.url}/v1/chat/completions", json=body, timeout=60) as answer:
            lines = answer.iter_lines()
            next(lines)
            one.process.send_signal(signal.SIGTERM)
            rest = [line for line in lines if line]
        assert rest[-1] == "data: [DONE]"
        assert one.wait()[0] == -signal.SIGTERM


def test_an_answer_that_has_not_begun_is_a_503_at_the_end(ingested: Settings, port: int) -> None:
    with ready(ingested, port, "larkwise", "serve", "--port", str(port), timeout_s="1") as one:
        answers: list[httpx.Response] = []
        asking = threading.Thread(
            target=lambda: answers.append(httpx.post(f"{one.url}/v1/chat/completions", json=CHAT, timeout=60))
        )
        asking.start()
        wait_until(lambda: httpx.get(f"{one.url}/health/ready").json()["engine"]["running"] == 1)
        one.process.send_signal(signal.SIGTERM)
        asking.join()
        assert answers[0].status_code == 503
        assert answers[0].json()["error"]["code"] == "shutting_down"
        assert answers[0].headers["Retry-After"]
        one.wait()


def test_int8_is_chosen_where_it_pays_and_the_model_allows_it(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen, weights = settings.model_copy(update={"llm_quantization": "auto"}), open_weights(settings)
    monkeypatch.setattr(loading, "is_int8_fast", lambda: True)
    assert model_folder(chosen, weights).name.endswith("-int8")
    monkeypatch.setattr(loading, "is_int8_fast", lambda: False)
    assert model_folder(chosen, weights).name.endswith("-bf16")
    monkeypatch.setattr(loading, "is_int8_fast", lambda: True)
    real = conversion.ready_model_folder

    def cannot(store: WeightsStore, name: str, *, quantization: str = "none", **options: Any) -> Path:
        if quantization == "int8":
            raise WeightsInvalid("another type")
        return real(store, name, **options)

    monkeypatch.setattr(conversion, "ready_model_folder", cannot)
    assert model_folder(chosen, weights).name.endswith("-bf16")
