"""A real server on a free port of loopback, with a small real model and a small collection."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.factory import create_app
from app.ingestion import ingest_paths
from app.settings import Settings
from tests.app.servers import Service, running, wait_until_ready

DOCUMENTS = {
    "refunds.md": "# Refunds\n\n## Deadline\n\nA card can be returned within 15 days for a full refund.\n",
    "temperature.md": "# 温度\n\n## 工作温度\n\nLC-200 的工作温度为 5 到 45 °C。芯片达到 105 °C 时自动断电。\n",
}


@pytest.fixture(scope="session")
def settings(tmp_path_factory: pytest.TempPathFactory, cache_dir: Path) -> Settings:
    return Settings(
        _env_file=None,
        data_dir=tmp_path_factory.mktemp("var"),
        cache_dir=cache_dir,
        offline=True,
        llm_model="smollm2-135m-instruct",
        llm_quantization="none",
        llm_threads=1,
        answer_tokens=24,
        chains=("examples.echo_chain.echo:SPEC", "tests.app.endless:SPEC"),
    )


@pytest.fixture(scope="session")
def ingested(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """The settings of a service that has something to answer from."""
    folder = tmp_path_factory.mktemp("documents")
    for name, text in DOCUMENTS.items():
        (folder / name).write_text(text, encoding="utf-8")
    ingest_paths(settings, [folder], "default")
    return settings


@pytest.fixture(scope="session")
def service(ingested: Settings) -> Iterator[Service]:
    """The running service, seen from inside as well."""
    app = create_app(ingested)
    with running(app) as address:
        wait_until_ready(address)
        yield Service(address, app)


@pytest.fixture(scope="session")
def url(service: Service) -> str:
    """The address of the running service."""
    return service.url
