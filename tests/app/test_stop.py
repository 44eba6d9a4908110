"""POST /stop ends an answer where it is."""

from __future__ import annotations

import sqlite3
from typing import Any

import httpx
from langserve import RemoteRunnable

from tests.app.servers import Service, wait_until


def asked(session: str) -> dict[str, str]:
    return {"question": "Tell a long story.", "session_id": session}


def stop(url: str, session: str, token: str = "") -> int:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    stopped: int = httpx.post(f"{url}/stop", json={"session_id": session}, headers=headers).json()["stopped"]
    return stopped


def test_a_stream_that_is_stopped_ends_in_order_with_what_was_sent(service: Service) -> None:
    endless: RemoteRunnable[dict[str, Any], dict[str, Any]] = RemoteRunnable(f"{service.url}/endless/")
    pieces = endless.stream(asked("stopped"))
    first = next(pieces)
    assert stop(service.url, "stopped") == 1
    rest = list(pieces)
    assert first["answer"]
    assert len(rest) < 1500
    wait_until(lambda: service.busy == 0)
    assert stop(service.url, "stopped") == 0


def test_an_answer_that_is_stopped_stays_in_the_conversation_as_far_as_it_came(service: Service) -> None:
    endless: RemoteRunnable[dict[str, Any], dict[str, Any]] = RemoteRunnable(f"{service.url}/endless/")
    pieces = endless.stream(asked("kept"))
    text = next(pieces)["answer"]
    stop(service.url, "kept")
    text += "".join(piece["answer"] for piece in pieces)
    with sqlite3.connect(service.services.settings.data_dir / "larkwise.sqlite3") as database:
        query = "SELECT answer FROM turns JOIN sessions ON session_id = sessions.id WHERE name = 'kept'"
        assert database.execute(query).fetchall() == [(text,)]


def test_nobody_stops_what_another_asked(service: Service) -> None:
    endless: RemoteRunnable[dict[str, Any], dict[str, Any]] = RemoteRunnable(
        f"{service.url}/endless/", headers={"Authorization": "Bearer anna"}
    )
    pieces = endless.stream(asked("mine"))
    next(pieces)
    assert stop(service.url, "mine", "ben") == 0
    assert stop(service.url, "mine") == 0
    assert stop(service.url, "mine", "anna") == 1
    list(pieces)


def test_a_session_must_be_named(url: str) -> None:
    assert httpx.post(f"{url}/stop", json={"session_id": ""}).status_code == 400
    assert httpx.post(f"{url}/stop", json={}).status_code == 400
