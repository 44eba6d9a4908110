"""A real HTTP server on loopback that speaks OpenAI's chat completions, says what it is told to, and remembers."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeAlias


@dataclass(frozen=True, slots=True)
class Words:
    """
    An answer, a word at a time; waits `first_s` before the first word and `gap_s` before each other one.

    After the first word it also waits `until` something has happened, however long that takes.
    """

    words: tuple[str, ...] = ("Hello", " there", "!")
    first_s: float = 0.0
    gap_s: float = 0.0
    until: threading.Event | None = None
    finish: str | None = "stop"
    """None breaks the stream off before its end."""
    usage: bool = True
    said_as: str = "content"
    """The key of a delta that holds a word."""


@dataclass(frozen=True, slots=True)
class Status:
    """An HTTP error."""

    code: int
    error: Mapping[str, Any]
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ErrorAfter:
    """Some words, and then an error in the stream."""

    words: tuple[str, ...]
    error: Mapping[str, Any]


Reply: TypeAlias = Words | Status | ErrorAfter


@dataclass(slots=True)
class FakeOpenAI:
    """`url` ends in /v1; replies come in order, and the last one again and again."""

    url: str
    replies: list[Reply]
    bodies: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    gone: threading.Event = field(default_factory=threading.Event)
    """Set when a client has left before its answer was complete."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def next_reply(self) -> Reply:
        with self.lock:
            return self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]


@contextmanager
def fake_openai(*replies: Reply) -> Iterator[FakeOpenAI]:
    server = _Server(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    fake = FakeOpenAI(f"http://127.0.0.1:{server.server_address[1]}/v1", list(replies) or [Words()])
    server.fake = fake  # type: ignore[attr-defined]  # the handler's only way to it
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield fake
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(ThreadingHTTPServer):
    request_queue_size = 128  # the usual five turn people of a burst away


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        fake: FakeOpenAI = self.server.fake  # type: ignore[attr-defined]
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        fake.bodies.append(body)
        fake.keys.append(self.headers.get("authorization", ""))
        reply = fake.next_reply()
        try:
            if isinstance(reply, Status):
                self._status(reply)
            else:
                self._stream(reply, body)
        except (BrokenPipeError, ConnectionResetError):
            fake.gone.set()

    def do_GET(self) -> None:
        """One model, and an idle engine, as larkwise shows it."""
        idle = {"waiting": 0, "running": 0, "tokens_in_flight": 0}
        body: dict[str, Any] = {"status": "ready", "engine": idle}
        if self.path == "/v1/models":
            body = {"object": "list", "data": [{"id": "fake-model", "object": "model"}]}
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def _status(self, reply: Status) -> None:
        self.send_response(reply.code)
        self.send_header("content-type", "application/json")
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(json.dumps({"error": reply.error}).encode())

    def _stream(self, reply: Words | ErrorAfter, body: dict[str, Any]) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.end_headers()
        first, gap = (reply.first_s, reply.gap_s) if isinstance(reply, Words) else (0.0, 0.0)
        for number, word in enumerate(reply.words):
            time.sleep(gap if number else first)
            if number and isinstance(reply, Words) and reply.until:
                reply.until.wait()
            said_as = reply.said_as if isinstance(reply, Words) else "content"
            self._event({"choices": [{"index": 0, "delta": {"role": "assistant", said_as: word}}]}, body)
        if isinstance(reply, ErrorAfter):
            self._event({"error": dict(reply.error)}, body)
        elif reply.finish:
            self._event({"choices": [{"index": 0, "delta": {}, "finish_reason": reply.finish}]}, body)
            if reply.usage and (body.get("stream_options") or {}).get("include_usage"):
                said = len(reply.words)
                usage = {"prompt_tokens": 7, "completion_tokens": said, "total_tokens": 7 + said}
                self._event({"choices": [], "usage": usage}, body)
            self.wfile.write(b"data: [DONE]\n\n")

    def _event(self, data: dict[str, Any], body: dict[str, Any]) -> None:
        head = {"id": "x", "object": "chat.completion.chunk", "created": 0, "model": body["model"]}
        self.wfile.write(f"data: {json.dumps(head | data)}\n\n".encode())
        self.wfile.flush()

    def log_message(self, *_: Any) -> None:
        """The tests' output is not for this."""
