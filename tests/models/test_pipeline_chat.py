"""HuggingFacePipeline as a chat model, with a real small model."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from models.errors import CompletionTimeout, PromptTooLong, WeightsInvalid
from models.pipeline_chat import PipelineChatModel, close_pipeline_chat_model, load_pipeline_chat_model

QUESTION = "What is the capital of France? Answer in one word."
COUNT = "Count from one to ten."


@pytest.fixture(scope="module")
def model(smollm2_folder: Path) -> Iterator[PipelineChatModel]:
    model = load_pipeline_chat_model(smollm2_folder, name="smollm2", temperature=0.0, max_tokens=12)
    yield model
    close_pipeline_chat_model(model)


def test_it_answers_with_usage(model: PipelineChatModel) -> None:
    message = model.invoke(QUESTION)
    assert "Paris" in str(message.text)
    assert message.usage_metadata is not None
    assert message.usage_metadata["output_tokens"] > 0


async def test_it_streams_asynchronously(model: PipelineChatModel) -> None:
    pieces = [str(chunk.text) async for chunk in model.astream(COUNT)]
    assert len([piece for piece in pieces if piece]) > 1


def test_it_stops_where_it_is_told_to(model: PipelineChatModel) -> None:
    whole = str(model.invoke(COUNT).text)
    assert str(model.invoke(COUNT, stop=[whole[4:7]]).text) == whole[: whole.index(whole[4:7])]


async def test_many_callers_get_the_answers_that_they_get_alone(model: PipelineChatModel) -> None:
    questions = [f"Say the number {n}." for n in range(4)]
    alone = [(await model.ainvoke(question, max_tokens=6)).text for question in questions]
    together = await asyncio.gather(*(model.ainvoke(question, max_tokens=6) for question in questions))
    assert [message.text for message in together] == alone


async def test_who_goes_away_does_not_spoil_the_next_answer(model: PipelineChatModel) -> None:
    stream = model.astream(COUNT, max_tokens=20)
    await anext(stream)
    await stream.aclose()  # type: ignore[attr-defined]  # it is a generator
    assert "Paris" in str((await model.ainvoke(QUESTION)).text)


def test_what_it_cannot_heed_changes_nothing(model: PipelineChatModel) -> None:
    assert model.invoke(COUNT, user="ann", queue_timeout=1, seed=1).text == model.invoke(COUNT).text


def test_a_seed_repeats_a_sample(model: PipelineChatModel) -> None:
    samples = [model.invoke(COUNT, temperature=1.5, top_p=1.0, seed=seed).text for seed in (1, 1, 2)]
    assert samples[0] == samples[1] != samples[2]


def test_the_end_can_be_ignored(model: PipelineChatModel) -> None:
    usage = model.invoke("Say yes.", max_tokens=30, ignore_eos=True).usage_metadata
    assert usage is not None
    assert usage["output_tokens"] > 20  # counted from the text, which may have other tokens than were made


def test_time_that_is_over_is_an_error(model: PipelineChatModel) -> None:
    with pytest.raises(CompletionTimeout):
        model.invoke(COUNT, timeout=0.001)


def test_a_prompt_that_fills_the_context_is_refused(model: PipelineChatModel) -> None:
    with pytest.raises(PromptTooLong):
        model.invoke("word " * 9000)


def test_it_counts_tokens(model: PipelineChatModel) -> None:
    assert model.get_num_tokens("Paris") == 1


def test_a_folder_without_a_model_is_told(tmp_path: Path) -> None:
    with pytest.raises(WeightsInvalid):
        load_pipeline_chat_model(tmp_path, name="x")
