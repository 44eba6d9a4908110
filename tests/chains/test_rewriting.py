from __future__ import annotations

import pytest

from chains.answers import Turn
from chains.rewriting import standalone_question

HISTORY: list[Turn] = [{"question": "LC-200 的工作温度是多少？", "answer": "5 到 45 °C"}]
ENGLISH: list[Turn] = [{"question": "What is the warranty of the LC-200?", "answer": "36 months"}]


@pytest.mark.parametrize("follow_up", ["那它什么时候断电？", "LC-100 呢？", "为什么？"])
def test_a_follow_up_is_completed_by_the_question_before(follow_up: str) -> None:
    assert standalone_question(follow_up, HISTORY) == f"{HISTORY[0]['question']} {follow_up}"


@pytest.mark.parametrize("follow_up", ["Can it be extended?", "And the fans?", "What about the LC-100?"])
def test_an_english_follow_up_too(follow_up: str) -> None:
    assert standalone_question(follow_up, ENGLISH).startswith("What is the warranty")


@pytest.mark.parametrize("question", ["年假最多能结转几天到下一年？", "差旅住宿标准的上限是多少？"])
def test_a_question_that_stands_by_itself_is_left_alone(question: str) -> None:
    assert standalone_question(question, HISTORY) == question


def test_without_a_conversation_nothing_changes() -> None:
    assert standalone_question("那它呢？", []) == "那它呢？"
