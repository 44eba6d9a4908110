"""`larkwise feishu check` names what is missing, and says nothing of what it could not see."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from typer.testing import CliRunner, Result

from app.cli import cli
from app.feishu.check import check
from app.feishu.findings import Finding
from app.feishu.needs import EVENTS, PERMISSIONS
from app.feishu.patience import Patience
from app.settings import Settings
from tests.app.feishu.platform import Platform, Trouble
from tests.app.feishu.platform.calls import answered

QUICK = Patience(tries=2, first_s=0.01, longest_s=0.02, answer_s=2.0)
PUBLIC = "https://kb.example.com"


def settings_for(platform: Platform, **given: Any) -> Settings:
    return Settings(
        _env_file=None,
        **{
            "feishu_app_id": platform.app_id,
            "feishu_app_secret": SecretStr(platform.app_secret),
            "feishu_encrypt_key": SecretStr(platform.encrypt_key),
            "feishu_verification_token": SecretStr(platform.verification_token),
            "feishu_domain": platform.url,
            "public_url": PUBLIC,
            **given,
        },
    )


def say(platform: Platform, path: str, data: dict[str, Any]) -> None:
    """What the open platform answers to calls that the fake does not know."""
    platform.fail(path, times=99, with_=Trouble(answer=answered(data)))


def tell_subscriptions(
    platform: Platform,
    *,
    events: tuple[str, ...] = tuple(EVENTS),
    callbacks: tuple[str, ...] = ("card.action.trigger",),
    way: str = "webhook",
    url: str = f"{PUBLIC}/feishu/webhook",
) -> None:
    versions = [
        {"version_id": "oav_2", "status": 4, "event_infos": []},
        {"version_id": "oav_1", "status": 1, "event_infos": [{"event_type": one} for one in events]},
        {"version_id": "oav_0", "status": 1, "event_infos": []},
    ]
    say(platform, "/app_versions", {"items": versions, "has_more": False})
    app = {
        "app_id": platform.app_id,
        "event": {"subscription_type": way, "request_url": url, "subscribed_events": []},
        "callback_info": {"callback_type": way, "request_url": url, "subscribed_callbacks": list(callbacks)},
    }
    say(platform, f"/applications/{platform.app_id}", {"app": app})


def seen(platform: Platform) -> None:
    """Permissions and subscriptions are all there."""
    platform.scopes.add("application:application:self_manage")
    tell_subscriptions(platform)


async def findings(platform: Platform, **given: Any) -> dict[str, Finding]:
    return {one.what: one for one in await check(settings_for(platform, **given), patience=QUICK)}


def statuses(found: dict[str, Finding]) -> set[str]:
    return {one.status for one in found.values()}


async def test_an_app_that_has_everything_is_ok(platform: Platform) -> None:
    seen(platform)

    found = await findings(platform)

    assert statuses(found) == {"ok"}
    assert {f"event {name}" for name in EVENTS} < set(found)
    assert found["where callbacks are sent"].detail == f"to {PUBLIC}/feishu/webhook"


async def test_without_an_id_and_a_secret_it_says_where_they_are_and_asks_nothing(platform: Platform) -> None:
    found = await findings(platform, feishu_app_id="", feishu_app_secret=SecretStr(""))

    assert [found[name].status for name in ("LARKWISE_FEISHU_APP_ID", "LARKWISE_FEISHU_APP_SECRET")] == ["missing"] * 2
    assert f"{platform.url}/app" in found["LARKWISE_FEISHU_APP_ID"].todo
    assert found["everything else"].status == "cannot tell"
    assert platform.calls() == []


@pytest.mark.parametrize("name", ["feishu_encrypt_key", "feishu_verification_token"])
async def test_a_webhook_needs_its_keys(platform: Platform, name: str) -> None:
    seen(platform)

    found = await findings(platform, **{name: SecretStr("")})

    missing = found[f"LARKWISE_{name.upper()}"]
    assert (missing.status, "Encryption strategy" in missing.todo) == ("missing", True)


async def test_a_secret_with_a_blank_is_named(platform: Platform) -> None:
    found = await findings(platform, feishu_app_secret=SecretStr(f"{platform.app_secret}\n"))

    assert found["LARKWISE_FEISHU_APP_SECRET"].detail == "it begins or ends with a blank"


@pytest.mark.parametrize(
    ("given", "variable"),
    [
        ({"feishu_app_secret": SecretStr("wrong")}, "LARKWISE_FEISHU_APP_SECRET"),
        ({"feishu_app_id": "cli_unknown"}, "LARKWISE_FEISHU_APP_ID"),
    ],
)
async def test_wrong_credentials_are_told_apart_and_end_the_check(
    platform: Platform, given: dict[str, Any], variable: str
) -> None:
    found = await findings(platform, **given)

    access = found["access to the open platform"]
    assert (access.status, variable in access.detail) == ("missing", True)
    assert (
        access.todo == f"compare them with {platform.url}/app/{settings_for(platform, **given).feishu_app_id}/baseinfo"
    )
    assert not any(what.startswith("permission") for what in found)


async def test_an_address_that_is_not_allowed_is_no_matter_of_credentials(platform: Platform) -> None:
    platform.fail("/", times=99, with_=Trouble.error(99991401, "ip denied"))

    access = (await findings(platform))["access to the open platform"]

    assert (access.status, access.todo) == ("missing", "")
    assert "add it to the IP allowlist" in access.detail


async def test_a_platform_that_does_not_answer_is_not_called_missing(platform: Platform) -> None:
    platform.fail("/", times=99, with_=Trouble.http(502))

    found = await findings(platform)

    assert found["access to the open platform"].status == "cannot tell"
    assert "missing" not in statuses(found)


async def test_an_app_without_a_bot_is_told_and_the_rest_is_checked(platform: Platform) -> None:
    seen(platform)
    platform.fail("/bot/v3/info", with_=Trouble.error(11205, "app do not have bot"))

    found = await findings(platform)

    assert (found["bot"].status, f"/app/{platform.app_id}/bot" in found["bot"].todo) == ("missing", True)
    assert found["event im.message.receive_v1"].status == "ok"


@pytest.mark.parametrize("permission", PERMISSIONS, ids=lambda one: one.scopes[0])
async def test_each_permission_that_is_missing_is_named_with_what_does_not_work(
    platform: Platform, permission: Any
) -> None:
    seen(platform)
    platform.scopes.difference_update(permission.scopes)

    missing = (await findings(platform))[f"permission {permission.scopes[0]}"]

    assert missing.detail == permission.without
    assert missing.status == ("not granted" if permission.is_optional else "missing")
    assert f"/auth?q={permission.scopes[0]}&" in missing.todo


async def test_a_wider_permission_will_do(platform: Platform) -> None:
    seen(platform)
    platform.scopes.discard("im:message:send_as_bot")

    found = await findings(platform)

    assert found["permission im:message:send_as_bot"] == Finding(
        "permission im:message:send_as_bot", "ok", "by im:message"
    )


async def test_a_permission_that_waits_for_an_administrator_is_told_apart(platform: Platform) -> None:
    seen(platform)
    say(platform, "/application/v6/scopes", {"scopes": [{"scope_name": "cardkit:card:write", "grant_status": 2}]})

    found = await findings(platform)

    assert found["permission cardkit:card:write"].status == "missing"
    assert "an administrator of the company has to grant it" in found["permission cardkit:card:write"].todo


@pytest.mark.parametrize(
    ("rows", "status"),
    [
        ([("tenant", 1), ("user", 2)], "ok"),
        ([("user", 1)], "missing"),
        ([("user", 1), ("tenant", 2)], "missing"),
        ([("tenant", 1), ("tenant", 2)], "ok"),
        ([(None, 1)], "ok"),
    ],
)
async def test_what_the_app_may_do_for_people_who_sign_in_is_no_permission_of_its_bot(
    platform: Platform, rows: list[tuple[str | None, int]], status: str
) -> None:
    name = "cardkit:card:write"
    listed = [{"scope_name": name, "grant_status": state, "scope_type": kind} for kind, state in rows]
    say(platform, "/application/v6/scopes", {"scopes": listed})

    assert (await findings(platform))[f"permission {name}"].status == status


async def test_events_and_callbacks_that_are_missing_are_named(platform: Platform) -> None:
    tell_subscriptions(platform, events=("im.message.receive_v1",), callbacks=())

    found = await findings(platform)

    assert found["event im.message.receive_v1"].status == "ok"
    assert found["event im.message.recalled_v1"].status == "missing"
    assert found["callback card.action.trigger"].detail == "the buttons below an answer do nothing"
    assert f"/app/{platform.app_id}/event" in found["callback card.action.trigger"].todo


async def test_a_version_that_is_not_published_does_not_count(platform: Platform) -> None:
    say(platform, "/app_versions", {"items": [{"status": 4, "event_infos": [{"event_type": one} for one in EVENTS]}]})

    assert (await findings(platform))["events"].detail == "no version of the app is published"


async def test_what_the_open_platform_does_not_tell_is_not_claimed(platform: Platform) -> None:
    platform.fail("/application/v6/applications/", times=9, with_=Trouble.error(99991672, "Access denied."))

    found = await findings(platform)

    untold = [found[what] for what in ("events", "callback card.action.trigger", "where events are sent")]
    assert [one.status for one in untold] == ["cannot tell"] * 3
    assert "application:application:self_manage" in untold[0].detail
    assert "im.message.receive_v1" in untold[0].todo
    assert "missing" not in statuses(found)


@pytest.mark.parametrize("data", [{}, {"app": {}, "items": [{"status": 1}]}, {"app": [], "items": 7}])
async def test_answers_without_what_was_asked_for_are_no_claim_either(platform: Platform, data: dict[str, Any]) -> None:
    platform.scopes.clear()
    say(platform, "/application/v6/applications/", data)
    say(platform, "/application/v6/scopes", {"scopes": "none"})

    found = await findings(platform)

    assert found["permissions"].status == "cannot tell"
    assert found["callback card.action.trigger"].status == "cannot tell"


@pytest.mark.parametrize(
    ("way", "url", "transport", "words"),
    [
        ("webhook", "https://old.example.com/hook", "webhook", "https://old.example.com/hook"),
        ("webhook", "", "webhook", "to nowhere"),
        ("websocket", "", "webhook", "over a persistent connection"),
        ("webhook", f"{PUBLIC}/feishu/webhook", "ws", f"to {PUBLIC}/feishu/webhook"),
    ],
)
async def test_events_that_are_sent_elsewhere_are_told(
    platform: Platform, way: str, url: str, transport: str, words: str
) -> None:
    tell_subscriptions(platform, way=way, url=url)

    found = await findings(platform, feishu_transport=transport)

    for what in ("where events are sent", "where callbacks are sent"):
        assert (found[what].status, words in found[what].detail) == ("missing", True)
        assert f"LARKWISE_FEISHU_TRANSPORT is {transport}" in found[what].todo


async def test_a_long_connection_needs_no_keys_and_an_address(platform: Platform) -> None:
    platform.scopes.add("application:application:self_manage")
    tell_subscriptions(platform, way="websocket", url="")

    found = await findings(
        platform, feishu_transport="ws", feishu_encrypt_key=SecretStr(""), feishu_verification_token=SecretStr("")
    )

    assert statuses(found) == {"ok"}
    assert found["long connection"].status == "ok"
    assert platform.ws.connections == 0


async def test_a_long_connection_that_feishu_refuses_is_told(platform: Platform) -> None:
    seen(platform)
    platform.fail("/callback/ws/endpoint", with_=Trouble.error(1000040351, "Incorrect domain name", http=200))

    found = await findings(platform, feishu_transport="ws")

    assert found["long connection"].status == "missing"
    assert "LARKWISE_FEISHU_DOMAIN" in found["long connection"].detail


@pytest.fixture
def command(platform: Platform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    monkeypatch.chdir(tmp_path)

    def invoke(*arguments: str, **more: str) -> Result:
        environment = {
            "LARKWISE_FEISHU_APP_ID": platform.app_id,
            "LARKWISE_FEISHU_APP_SECRET": platform.app_secret,
            "LARKWISE_FEISHU_ENCRYPT_KEY": platform.encrypt_key,
            "LARKWISE_FEISHU_VERIFICATION_TOKEN": platform.verification_token,
            "LARKWISE_FEISHU_DOMAIN": platform.url,
            "LARKWISE_PUBLIC_URL": PUBLIC,
            **more,
        }
        return CliRunner().invoke(cli, ["feishu", "check", *arguments], env=environment)

    return invoke


def test_everything_in_its_place_is_exit_code_0(platform: Platform, command: Callable[..., Result]) -> None:
    seen(platform)

    done = command()

    assert done.exit_code == 0
    assert done.stdout.splitlines()[0] == "ok          LARKWISE_FEISHU_APP_ID: it is set"
    assert done.stdout.splitlines()[-1] == "everything is in its place"


def test_what_is_missing_is_a_line_and_exit_code_1(platform: Platform, command: Callable[..., Result]) -> None:
    seen(platform)
    platform.scopes.discard("cardkit:card:write")

    done = command()

    (line,) = [line for line in done.stdout.splitlines() if line.startswith("missing")]
    assert line.startswith(
        "missing     permission cardkit:card:write: answers are rich text without buttons, and do not appear word by "
        "word. Add it at http"
    )
    assert done.stdout.splitlines()[-1] == "1 missing"
    assert done.exit_code == 1


def test_what_cannot_be_told_is_no_failure(platform: Platform, command: Callable[..., Result]) -> None:
    platform.fail("/application/v6/applications/", times=9, with_=Trouble.error(99991672, "Access denied."))

    done = command()

    assert done.exit_code == 0
    assert "cannot tell" in done.stdout.splitlines()[-1]


def test_machines_read_one_object_without_any_secret(platform: Platform, command: Callable[..., Result]) -> None:
    seen(platform)

    done = command("--json")
    failed = command("--json", LARKWISE_FEISHU_APP_SECRET="wrong")

    assert json.loads(done.stdout)["ok"] is True
    assert json.loads(done.stdout)["findings"][0] == {
        "what": "LARKWISE_FEISHU_APP_ID", "status": "ok", "detail": "it is set", "todo": "",
    }  # fmt: skip
    assert (json.loads(failed.stdout)["ok"], failed.exit_code) == (False, 1)
    for secret in (platform.app_secret, platform.encrypt_key, platform.verification_token):
        assert secret not in done.output + failed.output
