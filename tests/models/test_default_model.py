"""The default model itself, which is too large for every run: `make test-slow`."""

from __future__ import annotations

from typing import Any

import pytest

from app.settings import Settings
from models.conversion import Quantization, ready_model_folder
from models.loading import close_chat_model, load_local_chat_model
from models.weights import WeightsStore


@pytest.mark.slow
@pytest.mark.parametrize("quantization", ["none", "int8"])
def test_the_default_model_answers_in_both_languages(weights: WeightsStore, quantization: Quantization) -> None:
    name = str(Settings.model_fields["llm_model"].default)
    folder = ready_model_folder(weights, name, quantization=quantization)
    model = load_local_chat_model(folder, name=name, temperature=0.0, max_tokens=16)
    asked: list[Any] = ["What is the capital of France? Answer in one word.", "中国的首都是哪里？只回答城市名。"]
    try:
        answers = [str(answer.text) for answer in model.batch(asked)]
    finally:
        close_chat_model(model)
    assert "Paris" in answers[0]
    assert "北京" in answers[1]
