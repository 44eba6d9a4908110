"""Prompts of an exact length that no cache can help with, beyond their system prompt."""

from __future__ import annotations

import os

import pytest
from transformers import AutoTokenizer

from bench.prompts import SYSTEM, PromptMaker, handbook, template_counter


@pytest.fixture(scope="module")
def maker(smollm2_folder: os.PathLike[str]) -> PromptMaker:
    return PromptMaker(handbook(), template_counter(AutoTokenizer.from_pretrained(smollm2_folder)))


def test_prompts_have_the_length_that_was_asked_for(maker: PromptMaker) -> None:
    for number in range(6):
        for tokens in (200, 700):
            count = maker.count(maker.rag(number, tokens=tokens, answer_tokens=1).messages)
            assert 0.99 * tokens <= count <= tokens


def test_a_number_always_makes_the_same_prompt(maker: PromptMaker) -> None:
    assert maker.rag(5, tokens=300, answer_tokens=9) == maker.rag(5, tokens=300, answer_tokens=9)


def test_no_two_share_more_than_the_system_prompt(maker: PromptMaker) -> None:
    contents = [maker.rag(number, tokens=200, answer_tokens=1).messages[1].content for number in range(40)]
    assert len({content.split(".")[0] for content in contents}) == 40


def test_there_are_prompts_in_both_languages(maker: PromptMaker) -> None:
    systems = {maker.rag(number, tokens=200, answer_tokens=1).messages[0].content for number in range(2)}
    assert systems == set(SYSTEM.values())


def test_a_prompt_longer_than_the_handbook_can_be_made(maker: PromptMaker) -> None:
    assert maker.count(maker.rag(0, tokens=6000, answer_tokens=1).messages) > 5900


def test_a_common_prefix_has_its_length_and_what_follows_differs(maker: PromptMaker) -> None:
    cold, repeated = maker.with_common_prefix(3, tokens=600, prefix_tokens=300, answer_tokens=2)

    assert (cold.label, repeated.label) == ("cold", "repeated")
    assert cold.messages[0] == repeated.messages[0]
    assert cold.messages[1].content[:6] != repeated.messages[1].content[:6]
    for prompt in (cold, repeated):
        assert 594 <= maker.count(prompt.messages) <= 600
    assert 285 <= maker.count((cold.messages[0],)) <= 300


def test_other_numbers_have_other_prefixes(maker: PromptMaker) -> None:
    first, second = (
        maker.with_common_prefix(number, tokens=200, prefix_tokens=100, answer_tokens=2)[0] for number in (2, 4)
    )
    assert first.messages[0].content[:4] != second.messages[0].content[:4]
