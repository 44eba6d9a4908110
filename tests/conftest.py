"""What every room's tests share: real small models, loaded once."""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import torch

from app.settings import PREFIX, load_settings
from models.chat import LocalChatModel
from models.conversion import ready_model_folder
from models.loading import close_chat_model, load_local_chat_model
from models.manifest import load_manifest
from models.weights import WeightsStore

torch.set_num_threads(1)  # the machine that runs the tests may have one free core


@pytest.fixture(scope="session")
def cache_dir(_own_environment: Path) -> Path:
    """Where `make test` has fetched the small models to."""
    return _own_environment


@pytest.fixture(scope="session", autouse=True)
def _own_environment() -> Iterator[Path]:
    """The settings of whoever runs the tests do not reach them, but for where the weights are."""
    cache = load_settings().cache_dir
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(PREFIX)]:
            patch.delenv(name)
        yield cache


@pytest.fixture(scope="session")
def unused_tcp_port_factory() -> Callable[[], int]:
    """In place of pytest-asyncio's, whose ports a test side by side may be given before they are taken."""
    return port_that_nobody_is_given


def port_that_nobody_is_given() -> int:
    """Free, and below those that a system hands out by itself."""
    while True:
        port = 10_000 + secrets.randbelow(20_000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


@pytest.fixture(scope="session")
def weights(cache_dir: Path) -> WeightsStore:
    return WeightsStore(cache_dir, load_manifest(), offline=True)


@pytest.fixture(scope="session")
def smollm2_folder(weights: WeightsStore) -> Path:
    return ready_model_folder(weights, "smollm2-135m-instruct")


@pytest.fixture(scope="session")
def smollm2(smollm2_folder: Path) -> Iterator[LocalChatModel]:
    model = load_local_chat_model(
        smollm2_folder, name="smollm2-135m-instruct", threads=1, dtype=torch.float32, temperature=0.0, max_tokens=24
    )
    yield model
    close_chat_model(model)
