"""Whether what the model wrote is the follow-up made whole: small ones answer, invent names, or change the question."""

from __future__ import annotations

import re
from collections.abc import Sequence

from chains.language import language_of, numbers, terms
from chains.rewriting.names import HAN, names

_LABEL = re.compile(r"^(?:完整问题|追问|问题|问|complete question|question|q)\s*[:：]\s*", re.IGNORECASE)
_QUOTES = "\"'“”‘’「」"
_PHRASE = 24
"""Characters: what asks nothing may be as long as this; "LC-200 的保修期" is searched for as well as a question."""
_ASKS = re.compile(
    r"[?？]$|怎|如何|什么|哪|谁|几|多[少久长大高重快远]|为何|是否|吗|呢|能不能|有没有|是不是"
    r"|^(?:what|who|whose|when|where|why|how|which|is|are|was|were|do|does|did|can|could|will|would|should|may|must"
    r"|has|have|tell|describe|explain)\b",
    re.IGNORECASE,
)
_ANSWERS = re.compile(
    r"^(?:是的|不是|可以[，。]|抱歉|对不起|根据|yes\b|no\b|sorry|the answer|i )|[。!！:：，,]$", re.IGNORECASE
)
_POINTS_BACK = re.compile(
    r"它|(?<![其吉])[他她](?!人)|前者|后者|\b(?:it|its|they|them|their|he|she|him|her|his)\b", re.IGNORECASE
)
_WHAT_ABOUT = re.compile(r"呢[？?]?$|^(?:and|what about|how about)\b", re.IGNORECASE)
_KEPT, _NEW = 0.5, 0.34
"""Of the follow-up's content words so many stay at least; of the result's so many may be found nowhere before."""


def believed(said: str, question: str, *, asked: Sequence[str], spoken_of: str) -> str | None:
    """
    The model's line without its label and quotes; None where it is not `question` made whole.

    `asked` are the questions before it. What it names is in it or in `spoken_of`, the end of the conversation: a name
    from further back is as wrong as an invented one.
    """
    line = _LABEL.sub("", said.strip()).strip(_QUOTES).strip()
    is_right = (
        line
        and "\n" not in line
        and len(line) <= 4 * len(question) + 60
        and _is_question(line)
        and _in_the_same_language(line, question)
        and _bare(line) not in map(_bare, asked)
        and _resolves(line, question)
        and _keeps(line, question)
        and _invents_nothing(line, f"{spoken_of}\n{question}")
    )
    return line if is_right else None


def _is_question(line: str) -> bool:
    return not _ANSWERS.search(line) and (_ASKS.search(line) is not None or len(line) <= _PHRASE)


def _in_the_same_language(line: str, question: str) -> bool:
    """A bare name is of none."""
    if not re.search(rf"{HAN}|[a-z]{{2}}", question):
        return True
    return language_of(line) == language_of(question)


def _resolves(line: str, question: str) -> bool:
    """Fewer words point back than did; "what about X?" is not left as it is."""
    before, now = (len(_POINTS_BACK.findall(text)) for text in (question, line))
    is_left = _bare(line) == _bare(question) and _WHAT_ABOUT.search(question)
    return (now < before or before == now == 0) and not is_left


def _keeps(line: str, question: str) -> bool:
    asked = terms(question)
    is_named = all(name.lower() in line.lower() for name in names(question))
    return is_named and numbers(question) <= numbers(line) and len(asked & terms(line)) >= _KEPT * len(asked)


def _invents_nothing(line: str, known: str) -> bool:
    said = terms(line)
    named = {word.lower() for name in names(line) for word in name.split()}
    is_known = all(word in known.lower() for word in named) and numbers(line) <= numbers(known)
    return is_known and len(said - terms(known)) <= _NEW * len(said)


def _bare(text: str) -> str:
    return re.sub(r"\W", "", text).lower()
