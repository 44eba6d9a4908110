"""Connections to checked addresses only, which end in time."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import httpcore

from ingest.web.guard import Guard

_MOST_TRIED = 4
"""Addresses of one host; each may take the whole time-out."""


@dataclass(frozen=True, slots=True)
class Deadline:
    """`until` on `clock`. A time-out is for one read alone: a byte every few seconds would never meet it."""

    clock: Callable[[], float]
    until: float

    def left(self, at_most: float | None) -> float:
        """
        Seconds, for the next step.

        Raises:
            httpcore.ReadTimeout: there are none.
        """
        left = self.until - self.clock()
        if left <= 0:
            raise httpcore.ReadTimeout("the page's time is over")
        return left if at_most is None else min(left, at_most)


class GuardedNetwork(httpcore.NetworkBackend):
    """
    Resolves, checks and connects in one step, by the checked address.

    A name that is checked first and connected to afterwards could lead elsewhere the second time (DNS rebinding).
    The certificate and the Host header are still for the name: httpcore takes those from the URL.
    """

    def __init__(self, guard: Guard, deadline: Deadline) -> None:
        self._guard = guard
        self._deadline = deadline
        self._plain = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        fault: Exception = httpcore.ConnectError("no address")
        for address in self._guard.addresses(host, port)[:_MOST_TRIED]:
            left = self._deadline.left(timeout)
            try:
                stream = self._plain.connect_tcp(address, port, left, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                fault = error
            else:
                return _TimedStream(stream, self._deadline)
        raise fault


class _TimedStream(httpcore.NetworkStream):
    def __init__(self, stream: httpcore.NetworkStream, deadline: Deadline) -> None:
        self._stream = stream
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, self._deadline.left(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, self._deadline.left(timeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        secured = self._stream.start_tls(ssl_context, server_hostname, self._deadline.left(timeout))
        return _TimedStream(secured, self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)
