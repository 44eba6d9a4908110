"""API keys: made in the terminal, shown to the service."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from app.factory import create_app
from app.keys import FRESH_S, fingerprint
from app.loading import warn_of_open_doors
from app.settings import Settings, SettingsError, load_settings
from tests.app.servers import running, wait_until, wait_until_ready
from tests.app.test_cli import larkwise, output_of

GENERATE = {"prompt": "Say hello.", "max_tokens": 4}


@pytest.fixture(scope="module")
def keyed_settings(ingested: Settings, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    changes = {"data_dir": tmp_path_factory.mktemp("keyed"), "api_keys_required": True}
    return ingested.model_copy(update=changes)


@pytest.fixture(scope="module")
def key(keyed_settings: Settings) -> str:
    return make_key(keyed_settings, "anna")


@pytest.fixture(scope="module")
def keyed(keyed_settings: Settings, key: str) -> Iterator[str]:
    """A service that wants keys."""
    assert key
    with running(create_app(keyed_settings)) as url:
        wait_until_ready(url)
        yield url


def make_key(settings: Settings, name: str, *more: str) -> str:
    made = output_of(larkwise(settings, "keys", "create", name, *more, "--json"))
    return str(made["key"])


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def test_a_key_is_shown_once_and_kept_as_a_hash(settings: Settings, tmp_path: Path) -> None:
    mine = settings.model_copy(update={"data_dir": tmp_path})
    done = larkwise(mine, "keys", "create", "anna")
    key = done.stdout.strip()
    assert key.startswith("lw_")
    assert len(key) == len("lw_") + 43
    (row,) = output_of(larkwise(mine, "keys", "list", "--json"))["keys"]
    assert (row["name"], row["revoked_at"], row["last_used_at"]) == ("anna", None, None)
    assert "anna" in larkwise(mine, "keys", "list").stdout
    with sqlite3.connect(tmp_path / "larkwise.sqlite3") as database:
        ((kept,),) = database.execute("SELECT key_hash FROM api_keys").fetchall()
    assert kept == fingerprint(key)
    assert all(key.encode() not in file.read_bytes() for file in tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("create", "anna"), 1, "there is a key 'anna' already"),
        (("create", "12"), 1, "12"),
        (("create", "ben", "--rate-limit", "often"), 2, "no rate"),
        (("revoke", "nobody"), 1, "no valid key 'nobody'"),
        (("revoke", "99"), 1, "no valid key '99'"),
    ],
)
def test_what_cannot_be_done_with_keys_is_a_sentence(
    keyed_settings: Settings, key: str, arguments: tuple[str, ...], code: int, words: str
) -> None:
    assert key
    done = larkwise(keyed_settings, "keys", *arguments)
    assert (done.returncode, words in done.stderr, "Traceback" in done.stderr) == (code, True, False)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/generate"),
        ("POST", "/generate/stream"),
        ("POST", "/rag/invoke"),
        ("GET", "/rag/playground/"),
        ("GET", "/v1/models"),
        ("POST", "/v1/chat/completions"),
        ("POST", "/feedback"),
        ("POST", "/stop"),
        ("GET", "/metrics"),
        ("GET", "/nothing/here"),
    ],
)
def test_without_a_key_nothing_is_answered(keyed: str, method: str, path: str) -> None:
    for headers in ({}, bearer("lw_wrong"), {"Authorization": "Bearer"}, {"Authorization": "Basic eDp5"}):
        answer = httpx.request(method, keyed + path, headers=headers)
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"] == "Bearer"
        error = answer.json()["error"]
        assert error["code"] == "unauthorized"
        assert error["request_id"] == answer.headers["X-Request-ID"]


@pytest.mark.parametrize("path", ["/", "/health", "/health/live", "/health/ready", "/docs", "/redoc", "/openapi.json"])
def test_health_and_documentation_need_no_key(keyed: str, path: str) -> None:
    assert httpx.get(keyed + path).status_code == 200


def test_with_a_key_everything_is_answered(keyed: str, key: str) -> None:
    assert httpx.post(f"{keyed}/generate", json=GENERATE, headers=bearer(key), timeout=60).status_code == 200
    assert httpx.get(f"{keyed}/rag/playground/", headers=bearer(key)).status_code == 200
    assert httpx.get(f"{keyed}/metrics", headers=bearer(key)).status_code == 200
    client = openai.OpenAI(base_url=f"{keyed}/v1", api_key=key, max_retries=0)
    assert client.models.list().data
    with pytest.raises(openai.AuthenticationError):
        client.with_options(api_key="lw_wrong").models.list()


def test_a_key_that_is_revoked_is_refused_within_seconds(keyed: str, keyed_settings: Settings) -> None:
    key = make_key(keyed_settings, "short-lived")
    assert httpx.get(f"{keyed}/v1/models", headers=bearer(key)).status_code == 200
    assert larkwise(keyed_settings, "keys", "revoke", "short-lived").returncode == 0
    waited = wait_until(lambda: httpx.get(f"{keyed}/v1/models", headers=bearer(key)).status_code == 401)
    assert waited < FRESH_S + 1
    rows = {row["name"]: row for row in output_of(larkwise(keyed_settings, "keys", "list", "--json"))["keys"]}
    assert rows["short-lived"]["revoked_at"]
    assert rows["short-lived"]["last_used_at"]


def test_a_rate_limit_belongs_to_its_key(keyed: str, keyed_settings: Settings, key: str) -> None:
    slow = make_key(keyed_settings, "slow", "--rate-limit", "3/hour")
    statuses = [httpx.get(f"{keyed}/v1/models", headers=bearer(slow)).status_code for _ in range(5)]
    assert statuses == [200, 200, 200, 429, 429]
    answer = httpx.get(f"{keyed}/v1/models", headers=bearer(slow))
    assert 1 <= int(answer.headers["Retry-After"]) <= 3600
    assert answer.json()["error"]["code"] == "too_many_requests"
    assert httpx.get(f"{keyed}/v1/models", headers=bearer(key)).status_code == 200
    with pytest.raises(openai.RateLimitError):
        openai.OpenAI(base_url=f"{keyed}/v1", api_key=slow, max_retries=0).models.list()


def test_sessions_belong_to_the_key_and_not_to_what_it_says(keyed: str, key: str) -> None:
    body: dict[str, Any] = {"input": {"question": "Say hello.", "session_id": "s"}}
    answer = httpx.post(f"{keyed}/chat/invoke", json=body, headers=bearer(key), timeout=60)
    assert answer.status_code == 200
    asked = {"answer_id": "unknown", "rating": "up"}
    assert httpx.post(f"{keyed}/feedback", json=asked, headers=bearer(key)).status_code == 404


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"LARKWISE_HOST": "0.0.0.0"}, "0.0.0.0 can be reached by others"),
        ({"LARKWISE_PROFILE": "cluster", "LARKWISE_EMBEDDING_MODEL": "use-multilingual-v3"}, "larkwise keys create"),
        ({"LARKWISE_API_KEYS_REQUIRED": "true"}, "LARKWISE_API_KEYS_REQUIRED is true"),
    ],
)
def test_a_service_that_nobody_could_use_refuses_to_start(
    settings: Settings, tmp_path: Path, variables: dict[str, str], words: str
) -> None:
    done = larkwise(settings, "serve", **{"LARKWISE_DATA_DIR": str(tmp_path)} | variables)
    assert done.returncode == 1
    assert words in done.stderr
    assert "larkwise keys create" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("host", "required", "needs"),
    [
        ("127.0.0.1", None, False),
        ("::1", None, False),
        ("localhost", None, False),
        ("0.0.0.0", None, True),
        ("::", None, True),
        ("larkwise.example", None, True),
        ("0.0.0.0", False, False),
        ("127.0.0.1", True, True),
    ],
)
def test_keys_are_needed_where_others_can_come(host: str, required: bool | None, needs: bool) -> None:
    assert Settings(_env_file=None, host=host, api_keys_required=required).needs_keys is needs


@pytest.mark.parametrize(
    ("host", "required", "warned"), [("0.0.0.0", False, 1), ("0.0.0.0", True, 0), ("::1", False, 0)]
)
def test_whoever_lets_everybody_in_is_warned(
    host: str, required: bool, warned: int, caplog: pytest.LogCaptureFixture
) -> None:
    warn_of_open_doors(Settings(_env_file=None, host=host, api_keys_required=required))
    assert len(caplog.records) == warned


@pytest.mark.parametrize(("address", "status"), [("127.0.0.1", 503), ("10.0.0.1", 401), ("fe80::1", 401)])
async def test_a_server_on_another_address_than_the_settings_know_asks_for_keys(
    ingested: Settings, address: str, status: int
) -> None:
    """`uvicorn app.server:app --host 0.0.0.0`: the settings still say 127.0.0.1. (503: no model is loaded here.)"""
    app = create_app(ingested)

    async def reached_at(scope: Any, receive: Any, send: Any) -> None:
        await app(scope | {"server": (address, 8000)}, receive, send)

    async with httpx.AsyncClient(transport=httpx.ASGITransport(reached_at), base_url="http://test") as client:
        assert (await client.get("/v1/models")).status_code == status


def test_a_bad_rate_limit_stops_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LARKWISE_RATE_LIMIT", "sometimes")
    with pytest.raises(SettingsError, match="LARKWISE_RATE_LIMIT"):
        load_settings(env_file=Path("nowhere"))


def test_the_key_of_another_server_is_never_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LARKWISE_LLM_API_KEY", "geheim")
    settings = load_settings(env_file=Path("nowhere"))
    assert "geheim" not in repr(settings)
    assert "geheim" not in json.dumps(settings.model_dump(mode="json"))
