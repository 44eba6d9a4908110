"""An item's answer from the chain: made once, and kept in the same moment in which the item counts as answered."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from langchain_core.runnables.utils import AddableDict
from sqlalchemy.orm import Session

from app.database import AnswerRow, Database
from app.feishu.inbox import Item, changed
from app.services import Services
from app.streaming import until
from chains.answers import Turn
from chains.registry import validated
from models.chat import CALLER

CHAIN = "rag"


@dataclass(frozen=True, slots=True)
class Asked:
    """
    What is put to the chain; `attempt` counts the answers that were not good enough.

    `remark` is what the asker has to know beside the answer; it is kept with it.
    """

    question: str
    collection: str
    history: list[Turn]
    attempt: int = 0
    remark: str = ""


def caller_of(person: str) -> str:
    """Whom answers and feedback are kept under."""
    return f"feishu:{person}"[:80]


async def answer(
    services: Services, item: Item, asked: Asked, *, stop: asyncio.Event, show: Callable[[str], None]
) -> dict[str, Any]:
    """
    The chain's output; `show` is told the text so far. Where it is stopped, it ends where it is.

    Raises:
        ModelError, IngestError, ChainError: there is none.
    """
    spec = services.specs[CHAIN]
    value = validated(spec, {"question": asked.question, "collection": asked.collection, "attempt": asked.attempt})
    value["history"] = asked.history
    output = AddableDict()
    config: Any = {"configurable": {CALLER: caller_of(item.person)}}
    async with aclosing(until(stop, services.chains[CHAIN].astream(value, config))) as pieces:
        async for piece in pieces:
            output = output + AddableDict(piece)
            if piece.get("answer"):
                show(str(output["answer"]))
    return dict(output) | {"collection": asked.collection, "stopped": stop.is_set(), "remark": asked.remark}


async def keep(
    database: Database, item: Item, question: str, output: dict[str, Any], *, of: Item | None = None
) -> tuple[Item, Item]:
    """
    The item is answered, and so is `of`, whose answer is a new one by the item's click; both as they are now.

    All of it is kept, or nothing: an answer that was made and not kept is made again.

    Raises:
        TakenOver: nothing is kept, since somebody else has begun.
    """
    target = of or item
    row = AnswerRow(
        id=output["answer_id"], chain=CHAIN, caller=caller_of(item.person), question=question, output=output
    )
    answers = [*target.answers, row.id]

    def all_of_it(session: Session) -> tuple[Item, Item]:
        session.add(row)
        session.flush()
        if of is None:
            answered = changed(session, item, question=question, answers=answers, state="answered")
            return answered, answered
        answered = changed(session, target, question=question, answers=answers)
        return changed(session, item, state="answered", answers=[row.id]), answered

    return await database.write(all_of_it)
