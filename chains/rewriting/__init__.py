"""A follow-up question made whole, so that it can be searched for: by rule where that is enough, else by the model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.output_parsers import StrOutputParser
from langchain_core.runnables import Runnable, RunnableLambda

from chains.answers import Turn
from chains.language import Language
from chains.prompts import conversation, rewriting_prompt
from chains.rewriting.believing import believed
from chains.rewriting.resolving import read

_LANGUAGES: tuple[Language, ...] = ("zh", "en")
_TOLD_TURNS = 3
_TOLD_CHARACTERS = 200
_TOKENS = 64


def standalone_question(question: str, history: Sequence[Turn]) -> str:
    """
    The question as far as rules make it whole; unchanged where it stands by itself.

    Where they are not certain what it leans on, the question before is put before it.
    """
    return read(history).resolved(question).question


def rewriter(model: BaseChatModel) -> Runnable[dict[str, Any], str]:
    """
    From {"question", "history"} (a list of `Turn`s, which may be missing) to the question made whole.

    The model is asked only where the rules are not certain, and believed only where it has rewritten this question and
    done nothing else; otherwise it is what `standalone_question` gives. Errors of the model are not caught.
    """
    asking = {language: _asking(model, language) for language in _LANGUAGES}

    def rewrite(value: dict[str, Any]) -> str:
        follow_up = _FollowUp(value)
        if follow_up.settled is not None:
            return follow_up.settled
        return follow_up.checked(asking[follow_up.language].invoke(follow_up.told()))

    async def arewrite(value: dict[str, Any]) -> str:
        follow_up = _FollowUp(value)
        if follow_up.settled is not None:
            return follow_up.settled
        return follow_up.checked(await asking[follow_up.language].ainvoke(follow_up.told()))

    return RunnableLambda(rewrite, afunc=arewrite, name="rewrite")


def _asking(model: BaseChatModel, language: Language) -> Runnable[dict[str, str], str]:
    # a line is all that is wanted, so a model that goes on is stopped
    return rewriting_prompt(language) | model.bind(temperature=0, max_tokens=_TOKENS, stop=["\n"]) | StrOutputParser()


class _FollowUp:
    """One question with its conversation; what is the same whether the model is asked sync or async."""

    def __init__(self, value: dict[str, Any]) -> None:
        self._question: str = value["question"]
        self._conversation = read(value.get("history") or [])
        self._by_rule = self._conversation.resolved(self._question)
        self.settled = self._by_rule.question if self._by_rule.certain else None
        self.language = self._conversation.language(self._question)

    def told(self) -> dict[str, str]:
        """The prompt's variables: the last turns and the beginning of their answers, as every word costs time."""
        return {
            "conversation": conversation(self._turns(), self.language),
            "follow_up": " ".join(self._question.split()),
        }

    def checked(self, said: str) -> str:
        """What the model said, if it can be believed."""
        turns = self._turns()
        asked = [turn["question"] for turn in turns]
        spoken_of = f"{self._conversation.before}\n{asked[-1]}\n{turns[-1]['answer']}"
        return believed(said, self._question, asked=asked, spoken_of=spoken_of) or self._by_rule.question

    def _turns(self) -> list[Turn]:
        return [
            {"question": turn["question"][:_TOLD_CHARACTERS], "answer": turn["answer"][:_TOLD_CHARACTERS]}
            for turn in self._conversation.turns[-_TOLD_TURNS:]
        ]
