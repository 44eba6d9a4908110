"""A client that goes away stops its generation, at whatever door it asked."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.app.servers import Service, wait_until

ASKED = {"question": "Tell a long story."}
LONG = {"prompt": "Tell a long story.", "max_tokens": 2000, "temperature": 2, "top_p": 1}
CHAT = {"messages": [{"role": "user", "content": "Tell a long story."}], "max_tokens": 2000, "ignore_eos": True}
DOORS: dict[str, dict[str, Any]] = {
    "/generate": LONG,
    "/generate/stream": LONG,
    "/generate/batch": {"requests": [LONG, LONG]},
    "/endless/invoke": {"input": ASKED},
    "/endless/batch": {"inputs": [ASKED, ASKED]},
    "/endless/stream": {"input": ASKED},
    "/endless/stream_log": {"input": ASKED},
    "/endless/stream_events": {"input": ASKED},
    "/v1/chat/completions": CHAT | {"model": "smollm2-135m-instruct"},
    "/v1/chat/completions?stream": CHAT | {"model": "smollm2-135m-instruct", "stream": True},
    "/v1/chat/completions?chain": CHAT | {"model": "endless"},
}


@contextmanager
def asking(url: str, path: str, body: dict[str, Any]) -> Iterator[socket.socket]:
    """A request that is under way; the connection breaks at the end."""
    host, port = urlsplit(url).hostname, urlsplit(url).port
    data = json.dumps(body).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n"
    with socket.create_connection((host, port)) as connection:
        connection.sendall(head.encode() + data)
        yield connection


@pytest.mark.parametrize("path", DOORS)
def test_it_stops_within_a_second(service: Service, path: str) -> None:
    wait_until(lambda: service.busy == 0)
    with asking(service.url, path, DOORS[path]):
        wait_until(lambda: service.busy > 0)
    assert wait_until(lambda: service.busy == 0) < 1
