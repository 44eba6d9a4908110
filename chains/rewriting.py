"""A follow-up question made whole, so that it can be searched for."""

from __future__ import annotations

import re
from collections.abc import Sequence

from chains.answers import Turn
from chains.language import terms

_LEANS_ON_BEFORE = re.compile(
    r"^(那|那么|还有|另外|其中|以及|它|他|她|这|该|此|上述|前者|后者)"
    r"|(它|它们|这个|那个|这些|那些|该产品|上面|刚才|前面)|^.{1,12}呢[?？]?$"
    r"|\b(it|its|they|them|their|that one|this one|those|these|the same|he|she)\b"
    r"|^(and|what about|how about|also|then)\b",
    re.IGNORECASE,
)
_FEW_TERMS = 2


def standalone_question(question: str, history: Sequence[Turn]) -> str:
    """
    The question with the one that it leans on before it; unchanged where it stands by itself.

    By rule and without the model: a small one rewrites slowly, and often into another question.
    """
    if not history:
        return question
    leans = _LEANS_ON_BEFORE.search(question.strip()) or len(terms(question)) < _FEW_TERMS
    return f"{history[-1]['question']} {question}" if leans else question
