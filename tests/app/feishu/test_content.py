"""What messages say, whichever type they have."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.feishu.content import Attached, Said, attached, said
from app.feishu.events import Mention

ME = Mention("@_user_1", "ou_bot", "larkwise")
LI = Mention("@_user_10", "ou_li", "Li")


def text(words: str, *mentions: Mention) -> Said | None:
    return said("text", json.dumps({"text": words}), mentions, me="ou_bot")


def test_the_bots_own_name_is_not_part_of_the_question() -> None:
    assert text("@_user_1 退款期限是多久？", ME) == Said("退款期限是多久？")


def test_other_peoples_names_are_and_the_longer_placeholder_is_not_taken_for_the_shorter() -> None:
    assert text("@_user_1 what did @_user_10 write?", ME, LI) == Said("what did @Li write?")


def test_halves_of_characters_and_nul_are_not_kept() -> None:
    assert said("text", '{"text": "a\\ud83d \\u0000b"}') == Said("a? b")


def test_everybody_being_mentioned_says_nothing() -> None:
    assert text("@_all hello  there") == Said("hello there")


def test_lines_of_a_text_stay_lines() -> None:
    assert text("first\n  second") == Said("first\nsecond")


POST: dict[str, Any] = {
    "title": "Question",
    "content": [
        [
            {"tag": "at", "user_id": "@_user_1"},
            {"tag": "text", "text": "see "},
            {"tag": "a", "text": "this", "href": "https://a.b"},
        ],
        [{"tag": "img", "image_key": "img_1"}],
        [{"tag": "code_block", "language": "SHELL", "text": "ls -l"}],
    ],
}


@pytest.mark.parametrize("content", [POST, {"zh_cn": POST}, {"en_us": POST}])
def test_rich_text_is_read_with_and_without_a_locale(content: dict[str, Any]) -> None:
    assert said("post", json.dumps(content), [ME], me="ou_bot") == Said(
        "Question\nsee this (https://a.b)\nls -l", ("img_1",)
    )


def test_an_image_is_an_image_and_a_sticker_says_nothing() -> None:
    assert said("image", '{"image_key": "img_2"}') == Said("", ("img_2",))
    assert said("sticker", '{"file_key": "x"}') is None


def test_a_file_has_a_key_and_a_name() -> None:
    assert attached('{"file_key": "file_1", "file_name": "手册.pdf"}') == Attached("file_1", "手册.pdf")


@pytest.mark.parametrize("msg_type", ["text", "post", "image"])
def test_brackets_without_end_say_nothing(msg_type: str) -> None:
    assert said(msg_type, '{"text": ' + "[" * 100_000, [ME]) == Said()


@given(
    st.sampled_from(["text", "post", "image"]),
    st.text()
    | st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["content", "title", "text", "tag"]), inner)
        ),
        max_leaves=8,
    ).map(json.dumps),
)
def test_whatever_the_content_is_it_is_read_without_an_error(msg_type: str, content: str) -> None:
    assert isinstance(said(msg_type, content, [ME], me="ou_bot"), Said)
