"""A conversation read by rule: what its last question asks, once what it leans on is put in."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from chains.answers import Turn
from chains.language import Language, language_of
from chains.rewriting import chinese, english
from chains.rewriting.names import HAN, NAME, names

_TURNS = 6
"""What is spoken of may have been named so many turns ago."""
_LONG = 120
"""Characters: a question of this length says itself what it is about."""
_COURTESY = (
    r"(?:谢谢你?|多谢|感谢|辛苦了?|好的?|嗯|哦|行|可以|明白了?|知道了?|懂了|了解了?|收到|再见|你好|您好"
    r"|thanks?(?: you)?(?: a lot| so much| very much)?|ok(?:ay)?|got it|i see|great|perfect|good|cool|nice|bye"
    r"|hello|hi)(?![a-z])"
)
_SMALL_TALK = re.compile(rf"(?:{_COURTESY}[\s,.!，。！~]*)+", re.IGNORECASE)
_OPENING = re.compile(rf"(?:{_COURTESY}[\s,.!，。！~]+)+", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Resolved:
    """
    What the rules make of a question.

    Where they are not `certain` what it leans on, `question` is it with the one before it.
    """

    question: str
    certain: bool


@dataclass(frozen=True, slots=True)
class Conversation:
    """`turns` have their questions made whole where that is certain; a follow-up leans on `before`, if on anything."""

    turns: tuple[Turn, ...]
    before: str

    def resolved(self, question: str) -> Resolved:
        """The question after this conversation."""
        return _after(self.before, question)

    def language(self, question: str) -> Language:
        """What the question is in, or, as a bare name is in none, the one before."""
        return _language(question, self.before)


def read(history: Sequence[Turn]) -> Conversation:
    """The last turns, from the oldest on, as each question may itself lean on the one before it."""
    turns: list[Turn] = []
    settled, doubtful = "", ""
    for turn in history[-_TURNS:]:
        asked = turn["question"].strip()
        now = _after(f"{settled} {doubtful}".strip(), asked)
        turns.append({"question": now.question if now.certain else asked, "answer": turn["answer"]})
        if _SMALL_TALK.fullmatch(asked):
            continue
        if now.certain:
            settled, doubtful = now.question, ""
        elif names(asked):
            doubtful = asked  # what it names may be what is spoken of next
    return Conversation(tuple(turns), f"{settled} {doubtful}".strip())


def _after(before: str, question: str) -> Resolved:
    asked = question.strip()
    if not before or len(asked) > _LONG or _SMALL_TALK.fullmatch(asked):
        return Resolved(question, certain=True)
    opening = _OPENING.match(asked)
    asked = asked[opening.end() :] if opening else asked
    language = _language(asked, before)
    whole = (chinese if language == "zh" else english).made_whole(asked, before)
    if whole == asked:
        return Resolved(question, certain=True)
    if whole is None or language_of(before) != language:
        return Resolved(f"{before} {question}", certain=False)
    return Resolved(whole, certain=True)


def _language(question: str, before: str) -> Language:
    bare = re.sub(NAME["en"], "", question)
    return language_of(question if re.search(rf"{HAN}|[a-z]{{2}}", bare) else before)
