"""HuggingFacePipeline as a chat model, with a real small model."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.errors import WeightsInvalid
from models.pipeline_chat import PipelineChatModel, load_pipeline_chat_model

QUESTION = "What is the capital of France? Answer in one word."


@pytest.fixture(scope="module")
def model(smollm2_folder: Path) -> PipelineChatModel:
    return load_pipeline_chat_model(smollm2_folder, name="smollm2", temperature=0.0, max_tokens=12)


def test_it_answers_with_usage(model: PipelineChatModel) -> None:
    message = model.invoke(QUESTION)
    assert "Paris" in str(message.text)
    assert message.usage_metadata is not None
    assert message.usage_metadata["output_tokens"] > 0


async def test_it_streams_asynchronously(model: PipelineChatModel) -> None:
    pieces = [str(chunk.text) async for chunk in model.astream("Count from one to ten.")]
    assert len([piece for piece in pieces if piece]) > 1


def test_it_stops_where_it_is_told_to(model: PipelineChatModel) -> None:
    whole = str(model.invoke("Count from one to ten.").text)
    assert str(model.invoke("Count from one to ten.", stop=[whole[4:7]]).text) == whole[: whole.index(whole[4:7])]


def test_a_folder_without_a_model_is_told(tmp_path: Path) -> None:
    with pytest.raises(WeightsInvalid):
        load_pipeline_chat_model(tmp_path, name="x")
