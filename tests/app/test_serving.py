"""LangServe's routes, as its clients use them."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from langserve import RemoteRunnable

REFUND = {"question": "Within how many days can a card be returned for a full refund?"}
FIELDS = {
    "answer_id",
    "answer",
    "standalone_question",
    "sources",
    "citations",
    "confidence",
    "refused",
    "mode",
    "signals",
}


def merged(pieces: list[dict[str, Any]]) -> dict[str, Any]:
    whole: dict[str, Any] = {}
    for piece in pieces:
        for name, value in piece.items():
            whole[name] = whole.get(name, "") + value if name == "answer" else value
    return whole


def test_invoke_gives_every_field_of_the_contract(url: str) -> None:
    answer = httpx.post(f"{url}/rag/invoke", json={"input": REFUND}, timeout=60)
    assert answer.status_code == 200
    output = answer.json()["output"]
    assert set(output) == FIELDS
    assert output["sources"][0]["metadata"]["source"] == "refunds.md"
    assert output["sources"][0]["metadata"]["headings"] == "Deadline"
    assert 0 <= output["confidence"] <= 1


def test_a_remote_runnable_invokes_and_streams_the_same_answer(url: str) -> None:
    rag: RemoteRunnable[dict[str, Any], dict[str, Any]] = RemoteRunnable(f"{url}/rag/")
    whole = rag.invoke(REFUND)
    pieces = list(rag.stream(REFUND))
    assert len(pieces) > 3
    assert merged(pieces)["answer"] == whole["answer"]
    assert merged(pieces)["citations"] == whole["citations"]


async def test_a_remote_runnable_works_asynchronously(url: str) -> None:
    rag: RemoteRunnable[dict[str, Any], dict[str, Any]] = RemoteRunnable(f"{url}/rag/")
    pieces = [piece async for piece in rag.astream(REFUND)]
    assert "sources" in pieces[0]
    assert merged(pieces)["answer"] == (await rag.ainvoke(REFUND))["answer"]


def test_chat_streams_text(url: str) -> None:
    chat: RemoteRunnable[dict[str, Any], dict[str, Any]] = RemoteRunnable(f"{url}/chat/")
    pieces = list(chat.stream({"question": "Say hello."}))
    assert len(pieces) > 1
    assert all(set(piece) == {"answer"} for piece in pieces)


def test_summarize_answers(url: str) -> None:
    summarize: RemoteRunnable[dict[str, Any], dict[str, Any]] = RemoteRunnable(f"{url}/summarize/")
    assert summarize.invoke({"text": "Cards can be returned within 15 days. Opened cards cost a fee."})["summary"]


def test_a_chain_of_the_settings_is_mounted_like_the_others(url: str) -> None:
    echo: RemoteRunnable[dict[str, Any], dict[str, Any]] = RemoteRunnable(f"{url}/echo/")
    assert echo.invoke({"text": "blue"})["echo"]
    assert httpx.get(f"{url}/echo/playground/").status_code == 200


@pytest.mark.parametrize("path", ["invoke", "stream", "stream_log", "stream_events"])
@pytest.mark.parametrize(
    ("given", "status", "words"),
    [
        ({"question": ""}, 400, "question"),
        ({"question": "   \n"}, 400, "empty"),
        ({"question": "x" * 2049}, 400, "2048"),
        ({}, 400, "question"),
        ({"question": "?", "collection": "nowhere"}, 404, "nowhere"),
        ({"question": "?", "collection": "../secret"}, 400, "collection"),
        ({"question": "?", "colection": "default"}, 400, "colection"),
    ],
)
def test_bad_input_is_refused_before_anything_streams(
    url: str, path: str, given: dict[str, Any], status: int, words: str
) -> None:
    answer = httpx.post(f"{url}/rag/{path}", json={"input": given})
    assert answer.status_code == status
    error = answer.json()["error"]
    assert words in error["message"]
    assert error["request_id"] == answer.headers["X-Request-ID"]


def test_a_batch_with_one_bad_input_is_refused(url: str) -> None:
    answer = httpx.post(f"{url}/rag/batch", json={"inputs": [REFUND, {"question": ""}]})
    assert answer.status_code == 400


def test_a_body_that_is_not_json_is_refused(url: str) -> None:
    answer = httpx.post(f"{url}/rag/invoke", content=b"{", headers={"Content-Type": "application/json"})
    assert answer.status_code == 400
    assert "JSON" in answer.json()["error"]["message"]
