"""What every door does around a chain: check the input, know the conversation, keep what was answered."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from typing import Any

from langchain_core.runnables import Runnable, RunnableConfig, RunnableGenerator
from langchain_core.runnables.utils import AddableDict

from app.services import Services
from app.streaming import until
from chains.registry import ChainSpec, validated
from models.chat import CALLER

HISTORY = "larkwise_history"
"""
The key of a run's configurable values for turns that the door itself knows; it goes before those of the session.

Like `models.chat.CALLER` it is set by every door, whatever a client sent.
"""
ANONYMOUS = "anonymous"
_TURNS = 6


def remembering(spec: ChainSpec, services: Callable[[], Services]) -> Runnable[Any, Any]:
    """
    The chain as doors call it (asynchronously): with its conversation, and its answers kept.

    An answer that its caller stops ends where it is, and is kept as far as it has come.

    Raises:
        InvalidInput: the input is not what the chain takes.
    """

    async def answers(values: AsyncIterator[Any], config: RunnableConfig) -> AsyncIterator[Any]:
        value = validated(spec, await _whole(values))
        known = config.get("configurable", {})
        caller, session_id = str(known.get(CALLER, ANONYMOUS)), str(value.get("session_id") or "")
        database = services().database
        if history := known.get(HISTORY):
            value["history"] = history
        elif session_id:
            value["history"] = await database.history(
                caller=caller, chain=spec.name, session_id=session_id, turns=_TURNS
            )
        output = AddableDict()
        with services().running.one(caller, session_id) as stop:
            stream = services().chains[spec.name].astream(value, config)
            async with aclosing(until(stop, stream)) as pieces:
                async for piece in pieces:
                    output = output + AddableDict(piece)
                    yield piece
        question, answer = str(value.get("question", "")), str(output.get(spec.answer_key, ""))
        if answer_id := output.get("answer_id"):
            await database.save_answer(
                answer_id, chain=spec.name, caller=caller, question=question, output=dict(output)
            )
        if session_id:
            turn = {"question": question, "answer": answer}
            await database.save_turn(caller=caller, chain=spec.name, session_id=session_id, turn=turn)  # type: ignore[arg-type]

    runnable: Runnable[Any, Any] = RunnableGenerator(answers, name=spec.name)  # type: ignore[arg-type]  # it takes config too
    return runnable.with_types(input_type=spec.input, output_type=spec.output)


async def _whole(values: AsyncIterator[Any]) -> Any:
    """Doors give the input in one piece; a pipe before us may give a dict in several."""
    whole: Any = None
    async for value in values:
        whole = value if whole is None else {**whole, **value}
    return whole
