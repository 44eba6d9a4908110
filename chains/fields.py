"""Turns a stream of text into a stream of one field of a dict."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

from langchain_core.runnables import Runnable, RunnableGenerator
from langchain_core.runnables.utils import AddableDict


def as_field(name: str) -> Runnable[str, AddableDict]:
    """Each piece of text becomes {name: piece}; their sum is {name: whole text}."""

    def pieces(texts: Iterator[str]) -> Iterator[AddableDict]:
        for text in texts:
            yield AddableDict({name: text})

    async def async_pieces(texts: AsyncIterator[str]) -> AsyncIterator[AddableDict]:
        async for text in texts:
            yield AddableDict({name: text})

    return RunnableGenerator(pieces, async_pieces)
