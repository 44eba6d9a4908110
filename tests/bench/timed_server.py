"""A real server on loopback whose times are known: it answers as it was told, and writes down what it really did."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds before the first word, and before each other one."""

    first_s: float
    gap_s: float = 0.0
    words: int = 3


@dataclass(frozen=True, slots=True)
class Done:
    """What happened to one request, by `time.perf_counter`; `words_at` are the times when words were written."""

    received_at: float
    words_at: tuple[float, ...]

    @property
    def first_s(self) -> float:
        return self.words_at[0] - self.received_at

    @property
    def total_s(self) -> float:
        return self.words_at[-1] - self.received_at


@dataclass(slots=True)
class TimedServer:
    """`url` is without /v1; timings are taken in order, the last one again and again."""

    url: str
    timings: list[Timing]
    turn: AbstractContextManager[Any]
    """A lock where it answers one at a time."""
    done: list[Done] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def next_timing(self) -> Timing:
        with self.lock:
            return self.timings.pop(0) if len(self.timings) > 1 else self.timings[0]


@contextmanager
def timed_server(timings: Sequence[Timing], *, one_at_a_time: bool = False) -> Iterator[TimedServer]:
    server = _Server(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    turn: AbstractContextManager[Any] = threading.Lock() if one_at_a_time else nullcontext()
    timed = TimedServer(f"http://127.0.0.1:{server.server_address[1]}", list(timings), turn)
    server.timed = timed  # type: ignore[attr-defined]  # the handler's only way to it
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield timed
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(ThreadingHTTPServer):
    request_queue_size = 128


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps({"data": [{"id": "timed-model"}]}).encode())

    def do_POST(self) -> None:
        received_at = time.perf_counter()
        timed: TimedServer = self.server.timed  # type: ignore[attr-defined]
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.end_headers()
        with timed.turn:
            timing = timed.next_timing()
            words_at = tuple(self._word(timing, number) for number in range(timing.words))
        usage = {"prompt_tokens": 7, "completion_tokens": timing.words}
        self.wfile.write(f"data: {json.dumps({'choices': [], 'usage': usage})}\n\ndata: [DONE]\n\n".encode())
        with timed.lock:
            timed.done.append(Done(received_at, words_at))

    def _word(self, timing: Timing, number: int) -> float:
        time.sleep(timing.gap_s if number else timing.first_s)
        self.wfile.write(f"data: {json.dumps({'choices': [{'delta': {'content': 'word '}}]})}\n\n".encode())
        self.wfile.flush()
        return time.perf_counter()

    def log_message(self, *_: Any) -> None:
        """The tests' output is not for this."""
