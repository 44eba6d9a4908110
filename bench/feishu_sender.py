"""
Feishu's side of the webhook, in a process of its own: requests that are sent when they are due.

Nothing waits for an answer before it sends the next request, and every time is counted from the moment at which the
request was due: a service that stalls is seen by all that should have come meanwhile.
"""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.errors import TargetError
from bench.feishu_wire import Wire, open_wire

PATIENCE_S = 30.0
"""Longer than Feishu's 3 seconds, so that it is seen how late an answer is."""


@dataclass(frozen=True, slots=True)
class Request:
    """Due `at_s` seconds after the first one could be."""

    event_id: str
    at_s: float
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Outcome:
    """
    `late_s` is how long after it was due it was sent: the sender's own fault; `answered_s` is from when it was due.

    `status` is 0 where no answer came.
    """

    event_id: str
    at_s: float
    late_s: float
    answered_s: float
    status: int

    @property
    def is_acknowledged(self) -> bool:
        return self.status == 200


@dataclass(frozen=True, slots=True)
class Sent:
    """All outcomes, in the order in which they were due, and the CPU-seconds of sending them."""

    outcomes: tuple[Outcome, ...]
    cpu_s: float


def send(url: str, requests: Sequence[Request]) -> Sent:
    """To be called in a process that does nothing else: it lets garbage lie, which would delay what is due."""
    gc.freeze()
    gc.disable()
    began = time.process_time()
    outcomes = asyncio.run(send_all(url, requests))
    return Sent(tuple(outcomes), time.process_time() - began)


async def send_all(url: str, requests: Sequence[Request], *, patience_s: float = PATIENCE_S) -> list[Outcome]:
    """When each is due, over connections that are kept open."""
    async with open_wire(url) as wire:
        made = [wire.built(one.headers, one.body) for one in requests]
        began = time.perf_counter()
        sending = []
        for request, whole in zip(requests, made, strict=True):
            # also where it is late already: the answers that have come are to be read
            await asyncio.sleep(max(0.0, began + request.at_s - time.perf_counter()))
            sending.append(asyncio.create_task(_one(wire, request, whole, began + request.at_s, patience_s)))
        return list(await asyncio.gather(*sending))


async def _one(wire: Wire, request: Request, whole: bytes, due: float, patience_s: float) -> Outcome:
    late_s = time.perf_counter() - due
    try:
        async with asyncio.timeout(patience_s):
            status = await wire.status(whole)
    except (TargetError, TimeoutError):
        status = 0
    return Outcome(request.event_id, request.at_s, late_s, time.perf_counter() - due, status)
