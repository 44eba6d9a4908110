"""A question in other words, for another search where the first answer was not good enough."""

from __future__ import annotations

import re
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.output_parsers import StrOutputParser
from langchain_core.runnables import Runnable, RunnableLambda

from chains.language import Language, language_of, written
from chains.prompts import rewording_prompt

_LANGUAGES: tuple[Language, ...] = ("zh", "en")
_TOKENS = 64
_LONGER = 3
_NAMES = re.compile(r"[A-Za-z]*\d[\w.-]*|[A-Z][\w.-]+")
"""Numbers, and what is written like a name."""


def rewording(model: BaseChatModel) -> Runnable[str, str]:
    """
    From a question to the same in other words, as the model says it; where it says something else, as `telling_words`.

    Errors of the model are not caught.
    """
    asking: dict[Language, Runnable[dict[str, Any], str]] = {
        language: rewording_prompt(language)
        | model.bind(temperature=0, max_tokens=_TOKENS, stop=["\n"])
        | StrOutputParser()
        for language in _LANGUAGES
    }

    def reword(question: str) -> str:
        return _checked(asking[language_of(question)].invoke({"question": question}), question)

    async def areword(question: str) -> str:
        return _checked(await asking[language_of(question)].ainvoke({"question": question}), question)

    return RunnableLambda(reword, afunc=areword, name="reword")


def telling_words(question: str) -> str:
    """The words of the question that carry meaning, without what makes it a question."""
    return " ".join(written(question)) or question


def _checked(said: str, question: str) -> str:
    """What the model said, where it is a question of about this length that has lost no name and no number."""
    line = said.strip().strip('"“”「」')
    keeps_names = set(_names(question)) <= set(_names(line))
    is_other = line and line != question and len(line) <= _LONGER * len(question) + 20
    if is_other and keeps_names and language_of(line) == language_of(question):
        return line
    return telling_words(question)


def _names(text: str) -> list[str]:
    """The first word of an English sentence is written like a name, and is none."""
    found = _NAMES.findall(text[:1].lower() + text[1:])
    return [one.lower() for one in found]
