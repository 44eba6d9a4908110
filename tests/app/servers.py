"""Applications on a free port of loopback."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import httpx
import uvicorn
from fastapi import FastAPI

from app.services import Services, engine_load
from models.engine.requests import EngineLoad


@dataclass(frozen=True, slots=True)
class Service:
    """A running service, and what is behind it."""

    url: str
    app: FastAPI

    @property
    def services(self) -> Services:
        found: Services = self.app.state.services
        return found

    @property
    def load(self) -> EngineLoad:
        found = engine_load(self.services.model)
        assert found is not None
        return found

    @property
    def busy(self) -> int:
        """Requests that the engine has, running or waiting."""
        load = self.load
        return load.running + load.waiting


@contextmanager
def running(app: FastAPI) -> Iterator[str]:
    """Its address, while it runs."""
    config = uvicorn.Config(
        app, host="127.0.0.1", port=0, log_level="warning", access_log=False, timeout_graceful_shutdown=20
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        wait_until(lambda: server.started or not thread.is_alive())
        assert thread.is_alive(), "the server ended while it was starting"
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


def wait_until_ready(url: str) -> None:
    wait_until(lambda: is_ready(url))


def is_ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health/ready", timeout=10).status_code == 200
    except httpx.TransportError:
        return False


def wait_until(condition: Callable[[], object], *, seconds: float = 300) -> float:
    """Seconds that it took."""
    began, pause_s = time.monotonic(), 0.02
    while not condition():
        assert time.monotonic() - began < seconds, "waited in vain"
        time.sleep(pause_s)
        pause_s = min(1.1 * pause_s, 0.1)  # whoever asks all the time takes a core from what is waited for
    return time.monotonic() - began
