from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from models.chat import LocalChatModel
from models.detokenizer import Detokenizer, StopFilter


def test_a_character_of_several_tokens_comes_whole(smollm2: LocalChatModel) -> None:
    tokenizer = smollm2.tokenizer
    text = "温度 45 °C 🚀 naïve"
    detokenizer = Detokenizer(tokenizer)
    pieces = [detokenizer.text(token) for token in tokenizer(text, add_special_tokens=False)["input_ids"]]
    assert "".join(pieces) == text
    assert "\ufffd" not in "".join(pieces)


@given(
    text=st.text("abc", max_size=30),
    stops=st.lists(st.text("abc", min_size=1, max_size=4), max_size=3),
    cuts=st.lists(st.integers(0, 30), max_size=6),
)
def test_a_text_is_cut_before_its_first_stop_however_it_comes(text: str, stops: list[str], cuts: list[int]) -> None:
    ends = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    stop_filter = StopFilter(stops)
    shown = "".join(stop_filter.feed(text[start:end]) for start, end in pairwise(ends))
    shown += stop_filter.flush()
    # a stream cannot know of a stop that begins earlier and ends later than one that is complete
    found = [(text.index(stop) + len(stop), text.index(stop)) for stop in stops if stop in text]
    expected = {text[:start] for end, start in found if text.startswith(shown)} if found else {text}
    assert shown in expected
    assert all(stop not in shown for stop in stops)
