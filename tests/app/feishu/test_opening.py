"""Settings that cannot work are named at the start; what Feishu does not answer then, it is asked later."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from app.feishu.opening import check_feishu, open_feishu
from app.settings import Settings, SettingsError
from tests.app.feishu.platform import Platform, Trouble

WHOLE: dict[str, Any] = {
    "feishu_app_id": "cli_a1b2",
    "feishu_app_secret": SecretStr("secret"),
    "feishu_encrypt_key": SecretStr("key"),
    "feishu_verification_token": SecretStr("token"),
}


def settings_with(**given: Any) -> Settings:
    return Settings(_env_file=None, **{**WHOLE, **given})


def opened(settings: Settings) -> None:
    async def open_and_meet() -> None:
        async with open_feishu(settings, lambda _: None) as feishu:
            assert feishu is not None
            await feishu.meet()

    asyncio.run(open_and_meet())


def platform_settings(platform: Platform, folder: Path, **more: Any) -> Settings:
    return settings_with(
        feishu_app_id=platform.app_id,
        feishu_app_secret=SecretStr(platform.app_secret),
        feishu_domain=platform.url,
        data_dir=folder,
        **more,
    )


@pytest.mark.parametrize("name", list(WHOLE))
def test_a_webhook_does_not_start_without_its_secrets_and_the_variable_is_named(name: str) -> None:
    with pytest.raises(SettingsError, match=f"LARKWISE_{name.upper()} is not set"):
        check_feishu(settings_with(**{name: "" if name == "feishu_app_id" else SecretStr("")}))


@pytest.mark.parametrize("name", list(WHOLE)[1:])
def test_a_secret_with_a_blank_at_its_end_is_named_and_not_shown(name: str) -> None:
    with pytest.raises(SettingsError, match=f"LARKWISE_{name.upper()} begins or ends") as caught:
        check_feishu(settings_with(**{name: SecretStr("hunter2 ")}))
    assert "hunter2" not in str(caught.value)


def test_a_long_connection_needs_no_key_and_no_token() -> None:
    empty = SecretStr("")
    check_feishu(settings_with(feishu_transport="ws", feishu_encrypt_key=empty, feishu_verification_token=empty))


def test_without_any_of_it_there_is_no_bot() -> None:
    check_feishu(Settings(_env_file=None))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("feishu_app_id", "a1b2"),
        ("feishu_domain", "open.feishu.cn"),
        ("feishu_domain", "https://a/b"),
        ("public_url", "kb"),
    ],
)
def test_a_value_that_cannot_be_one_is_refused(name: str, value: str) -> None:
    with pytest.raises(ValidationError):
        settings_with(**{name: value})


def test_feishu_and_lark_stand_for_their_platforms() -> None:
    assert settings_with(feishu_domain="lark").feishu_domain == "https://open.larksuite.com"
    assert settings_with(feishu_domain="feishu").feishu_domain == "https://open.feishu.cn"


def test_a_wrong_secret_is_one_sentence_that_names_the_variable(platform: Platform, tmp_path: Path) -> None:
    settings = platform_settings(platform, tmp_path).model_copy(update={"feishu_app_secret": SecretStr("hunter2")})
    with pytest.raises(SettingsError, match="LARKWISE_FEISHU_APP_SECRET") as caught:
        opened(settings)
    assert "hunter2" not in str(caught.value)


def test_an_app_that_feishu_does_not_know_is_named(platform: Platform, tmp_path: Path) -> None:
    settings = platform_settings(platform, tmp_path).model_copy(update={"feishu_app_id": "cli_nobody"})
    with pytest.raises(SettingsError, match="LARKWISE_FEISHU_APP_ID"):
        opened(settings)


def test_a_platform_that_is_down_does_not_hinder_the_start(
    platform: Platform, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    platform.fail("/open-apis/", with_=Trouble.http(502), times=99)
    opened(platform_settings(platform, tmp_path))
    assert "Feishu cannot be asked now" in caplog.text
