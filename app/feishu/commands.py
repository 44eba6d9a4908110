"""What can be said to the bot that is no question."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass

from app.feishu.conversation import Conversations
from app.feishu.inbox import Item
from app.feishu.showing import LinkOf, shown_answer
from app.feishu.texts import say
from chains.language import Language
from ingest.collections import CollectionSet

_COMMAND = re.compile(r"/([a-zA-Z]+)(?:\s+(.*))?", re.DOTALL)
STOP = "stop"


@dataclass(frozen=True, slots=True)
class Command:
    """`/name argument`."""

    name: str
    argument: str = ""


def command_of(text: str) -> Command | None:
    """Where the text is one; a path, for example, is none."""
    found = _COMMAND.fullmatch(text.strip())
    return Command(found[1].lower(), (found[2] or "").strip()) if found else None


class Commands:
    """Each may be carried out twice and is then done once: the bot may be interrupted after any of them."""

    def __init__(self, conversations: Conversations, collections: CollectionSet, link_of: LinkOf) -> None:
        self._conversations = conversations
        self._collections = collections
        self._link_of = link_of

    async def carry_out(self, command: Command, item: Item, language: Language) -> str:
        """What is answered."""
        match command.name:
            case "help":
                return say("help", language)
            case "new":
                await self._conversations.forget(item)
                return say("forgotten", language)
            case "kb":
                return await self._collection(command.argument, item, language)
            case "sources":
                return await self._sources(item, language)
            case "stop":  # one that runs is stopped beside the conversation, and not in its turn
                return say("nothing_runs", language)
            case other:
                return say("unknown_command", language, f"/{other}")

    async def _collection(self, wanted: str, item: Item, language: Language) -> str:
        names = await asyncio.to_thread(self._collections.names)
        if not names:
            return say("no_collections", language)
        if not wanted:
            return say("collections", language, await self._conversations.collection(item.chat_id), ", ".join(names))
        if wanted not in names:
            return say("collection_unknown", language, wanted[:80], ", ".join(names))
        await self._conversations.choose(item.chat_id, wanted)
        return say("collection_chosen", language, wanted)

    async def _sources(self, item: Item, language: Language) -> str:
        row = await self._conversations.last_answer(item)
        sources = row.output.get("sources") if row else None
        if row is None or not sources:
            return say("no_sources", language)
        everything = row.output | {"citations": []}
        shown = await asyncio.to_thread(
            lambda: shown_answer(everything, question=row.question, turn=0, link_of=self._link_of)
        )
        lines = []
        for one, source in zip(shown.sources, sources, strict=True):
            lines.append(" ".join(filter(None, [one.marker, one.title, one.place, one.url])))
            lines.append(str(source["content"]).strip())
        return "\n".join(lines)
