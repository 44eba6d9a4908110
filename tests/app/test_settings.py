from __future__ import annotations

from pathlib import Path

import pytest

from app.settings import Settings, SettingsError, load_settings
from app.settings_docs import env_example, settings_page

ROOT = Path(__file__).parents[2]


def test_the_environment_wins_over_env_file_and_profile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / ".env"
    file.write_text("LARKWISE_PORT=1\nLARKWISE_HOST=10.0.0.1\nLARKWISE_PROFILE=cluster\nOTHER=1\n")
    monkeypatch.setenv("LARKWISE_PORT", "2")
    settings = load_settings(env_file=file)
    assert (settings.port, settings.host) == (2, "10.0.0.1")
    assert settings.embedding_model == "BAAI/bge-small-zh-v1.5"


def test_the_default_profile_needs_no_hub() -> None:
    settings = load_settings(env_file=Path("nowhere"))
    assert settings.llm_model == "qwen2.5-coder-1.5b-instruct"
    assert settings.embedding_model == "use-multilingual-v3+all-minilm-l6-v2"


def test_an_unknown_variable_stops_the_start_and_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LARKWISE_EMBEDING_MODEL", "x")
    with pytest.raises(SettingsError, match=r"LARKWISE_EMBEDING_MODEL.*did you mean LARKWISE_EMBEDDING_MODEL"):
        load_settings(env_file=Path("nowhere"))


def test_an_unknown_variable_in_the_env_file_is_named_too(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("LARKWISE_PROT=1\n")
    with pytest.raises(SettingsError, match="LARKWISE_PROT"):
        load_settings(env_file=tmp_path / ".env")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LARKWISE_PORT", "seven"),
        ("LARKWISE_PROFILE", "huge"),
        ("LARKWISE_CHUNK_OVERLAP", "500"),
        ("LARKWISE_LLM_THREADS", "0"),
    ],
)
def test_a_bad_value_is_named_and_not_shown(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=name) as raised:
        load_settings(env_file=Path("nowhere"))
    assert f"'{value}'" not in str(raised.value)


def test_an_empty_variable_is_as_good_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LARKWISE_LLM_THREADS", "")
    monkeypatch.setenv("LARKWISE_WEIGHTS_FOLDER", "")
    settings = load_settings(env_file=Path("nowhere"))
    assert (settings.llm_threads, settings.weights_folder) == (None, None)


def test_a_password_is_never_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LARKWISE_DATABASE_URL", "postgresql://user:geheim@host/db")
    monkeypatch.setenv("LARKWISE_PORT", "x")
    with pytest.raises(SettingsError) as raised:
        load_settings(env_file=Path("nowhere"))
    assert "geheim" not in str(raised.value)
    monkeypatch.setenv("LARKWISE_PORT", "1")
    assert "geheim" not in repr(load_settings(env_file=Path("nowhere")))


def test_the_settings_page_and_the_example_file_are_up_to_date() -> None:
    """`make docs` writes them."""
    assert (ROOT / "docs" / "settings.md").read_text(encoding="utf-8") == settings_page()
    assert (ROOT / ".env.example").read_text(encoding="utf-8") == env_example()


def test_every_setting_says_what_it_is_for() -> None:
    assert all(field.description for field in Settings.model_fields.values())


def test_an_env_file_that_is_not_utf_8_is_named(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes("# 设置".encode("gbk"))
    with pytest.raises(SettingsError, match=r"\.env cannot be read.*UTF-8"):
        load_settings(env_file=tmp_path / ".env")
