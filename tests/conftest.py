"""What every room's tests share: real small models, loaded once."""

from __future__ import annotations

import os
from collections.abc import Iterator
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
