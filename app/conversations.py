"""What every door does around a chain: check the input, know the conversation, keep what was answered."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

from langchain_core.runnables import Runnable, RunnableConfig, RunnableGenerator
from langchain_core.runnables.utils import AddableDict

from app.services import Services
from chains.registry import ChainSpec, validated

CALLER = "larkwise_caller"
"""The key of a run's configurable values that says who asks; every door sets it, whatever a client sent."""
ANONYMOUS = "anonymous"
_TURNS = 6


def remembering(spec: ChainSpec, services: Callable[[], Services]) -> Runnable[Any, Any]:
    """
    The chain as doors call it (asynchronously): with its conversation, and its answers kept.

    Raises:
        InvalidInput: the input is not what the chain takes.
    """

    async def answers(values: AsyncIterator[Any], config: RunnableConfig) -> AsyncIterator[Any]:
        value = validated(spec, await _whole(values))
        caller = str(config.get("configurable", {}).get(CALLER, ANONYMOUS))
        database, session_id = services().database, value.get("session_id")
        if session_id:
            value["history"] = await database.history(
                caller=caller, chain=spec.name, session_id=session_id, turns=_TURNS
            )
        output = AddableDict()
        async for piece in services().chains[spec.name].astream(value, config):
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
