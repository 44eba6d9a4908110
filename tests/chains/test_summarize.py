from __future__ import annotations

from langchain_core.vectorstores import VectorStore

from chains import chat, summarize
from chains.registry import Parts
from tests.chains.fakes import ScriptedChatModel


def no_collection(name: str) -> VectorStore:
    raise AssertionError(name)


def test_a_short_text_is_summarized_in_one_step() -> None:
    model = ScriptedChatModel(script=["Short."])
    output = summarize.build(Parts(model, no_collection)).invoke({"text": "A text."})
    assert (output, len(model.heard)) == ({"summary": "Short."}, 1)


def test_a_long_text_is_summarized_in_parts_first() -> None:
    model = ScriptedChatModel(script=["a part"] * 3 + ["the whole"])
    text = "这是一个很长的文本。" * 800
    output = summarize.build(Parts(model, no_collection)).invoke({"text": text})
    assert output == {"summary": "the whole"}
    assert len(model.heard) == 4
    assert "a part\na part\na part" in str(model.heard[-1][-1].content)


def test_chat_remembers_the_last_turns() -> None:
    model = ScriptedChatModel(script=["yes"])
    history = [{"question": f"q{n}", "answer": f"a{n}"} for n in range(6)]
    output = chat.build(Parts(model, no_collection)).invoke({"question": "still there?", "history": history})
    assert output == {"answer": "yes"}
    said = [message.content for message in model.heard[0]]
    assert said[1:] == ["q2", "a2", "q3", "a3", "q4", "a4", "q5", "a5", "still there?"]
