"""What a soak calls a fault, and that a server which fails is found out."""

from __future__ import annotations

import os
import random
from dataclasses import replace
from typing import Any

import pytest

from bench.engines import Running
from bench.processes import ProcessTree
from bench.soak import Soaked, _end_of, _Soak
from bench.targets import OpenAIServer, open_client
from tests.fake_openai import ErrorAfter, Reply, Status, Words, fake_openai

WELL = Soaked(1.0, {"answered": 9, "left": 3, "refused": 1, "timed out": 1}, (), {}, 100 << 20, 120 << 20, 130 << 20)


def test_answered_left_refused_and_timed_out_are_no_faults() -> None:
    assert WELL.faults() == []


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"ends": {"answered": 1, "failed": 2}, "reasons": ("HTTP 500",)}, "HTTP 500"),
        ({"ends": {"left": 3}}, "no request was answered"),
        ({"left_over": {"running": 1}}, "not idle"),
        ({"late_bytes": 200 << 20}, "grown by 100 MB"),
    ],
)
def test_what_must_not_be_is_named(change: dict[str, Any], fault: str) -> None:
    assert fault in replace(WELL, **change).faults()[0]


@pytest.mark.parametrize(
    ("reason", "end"),
    [
        ("HTTP 429: busy", "refused"),
        ("HTTP 408: late", "timed out"),
        ('the stream ended with an error: {"code": "timeout"}', "timed out"),
        ("HTTP 500: no", "failed"),
        ("ConnectError: refused", "failed"),
    ],
)
def test_reasons_are_told_apart(reason: str, end: str) -> None:
    assert _end_of(reason) == end


async def soaked(*replies: Reply, seconds: float) -> Soaked:
    with fake_openai(*replies) as server:
        async with open_client() as client:
            target = OpenAIServer(server.url.removesuffix("/v1"), "m", client)
            running = Running("fake", target, ProcessTree(os.getpid()))
            return await _Soak(running, random.Random(3)).run(seconds)


async def test_every_person_has_an_end() -> None:
    found = await soaked(Words(gap_s=0.01), seconds=3)

    assert found.ends["answered"] > 0
    assert set(found.ends) <= {"answered", "left"}, found.reasons
    assert found.left_over == {}


async def test_a_server_that_fails_is_found_out() -> None:
    found = await soaked(ErrorAfter(("half",), {"message": "broken"}), Status(500, {"message": "no"}), seconds=2)

    assert found.ends["failed"] > 0
    assert any("requests failed" in fault for fault in found.faults())
