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
from tests.app.feishu.chats import House, Room, bot_settings, open_house, write_documents
from tests.app.feishu.platform import Platform, fake_platform
from tests.app.feishu.platform_api import Api
from tests.app.feishu.platform_lark import Lark, lark_oapi_imported
from tests.fake_openai import fake_openai


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


@pytest.fixture(scope="session")
def library(cache_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory with a small collection; to be copied."""
    folder = tmp_path_factory.mktemp("library")
    documents = write_documents(tmp_path_factory.mktemp("documents"), DOCUMENTS)
    settings = Settings(_env_file=None, data_dir=folder, cache_dir=cache_dir, offline=True)
    ingest_paths(settings, [documents], "default")
    return folder


@pytest.fixture(scope="session")
def house(cache_dir: Path, library: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A service that is started once: each test has people and chats of its own in it."""
    data_dir = tmp_path_factory.mktemp("house") / "var"
    shutil.copytree(library, data_dir)
    with (
        fake_platform() as platform,
        fake_openai() as model,
        open_house(bot_settings(platform, model, data_dir, cache_dir), platform, model) as opened,
    ):
        yield opened


@pytest.fixture
def room(house: House) -> Room:
    """Li in a chat with the bot, whose model says when a card can be returned."""
    return house.room()


@pytest.fixture(scope="session")
def lark() -> Iterator[Lark]:
    """Feishu's own client."""
    with lark_oapi_imported():
        yield Lark()
