"""A fresh open platform for every test."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from app.ingestion import ingest_paths
from app.settings import Settings
from tests.app.conftest import DOCUMENTS
from tests.app.feishu.chats import ANSWER, Room, feishu_settings, write_documents
from tests.app.feishu.chats import room as open_room
from tests.app.feishu.platform import Platform, fake_platform
from tests.app.feishu.platform_api import Api
from tests.fake_openai import FakeOpenAI, Words, fake_openai


@pytest.fixture
def platform() -> Iterator[Platform]:
    with fake_platform() as running:
        yield running


@pytest.fixture
def api(platform: Platform) -> Iterator[Api]:
    """For calls of one's own."""
    made = Api(platform)
    with closing(made.http):
        yield made


@pytest.fixture
def model() -> Iterator[FakeOpenAI]:
    """A model that says when a card can be returned."""
    with fake_openai(Words(ANSWER)) as fake:
        yield fake


@pytest.fixture(scope="session")
def library(cache_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory with a small collection; not to be written."""
    folder = tmp_path_factory.mktemp("library")
    documents = write_documents(tmp_path_factory.mktemp("documents"), DOCUMENTS)
    settings = Settings(_env_file=None, data_dir=folder, cache_dir=cache_dir, offline=True)
    ingest_paths(settings, [documents], "default")
    return folder


@pytest.fixture
def bot_settings(platform: Platform, model: FakeOpenAI, library: Path, tmp_path: Path, cache_dir: Path) -> Settings:
    """Of a service that answers in chats."""
    shutil.copytree(library, tmp_path / "var")
    return feishu_settings(
        platform,
        data_dir=tmp_path / "var",
        cache_dir=cache_dir,
        offline=True,
        llm_provider="openai",
        llm_model="fake",
        llm_base_url=model.url,
    )


@pytest.fixture
def room(bot_settings: Settings, platform: Platform, model: FakeOpenAI) -> Iterator[Room]:
    with open_room(bot_settings, platform, model) as opened:
        yield opened


@pytest.fixture(scope="session")
def lark() -> Lark:
    """Feishu's own client."""
    import lark_oapi  # noqa: F401

    return Lark()
