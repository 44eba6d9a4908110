"""A bot that works until nothing waits, or until it is killed between two steps; importing this imports no model."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from langchain_core.runnables import RunnableGenerator
from langchain_core.runnables.utils import AddableDict
from sqlalchemy import event
from sqlalchemy.orm import Session

from app.database import Database, open_database
from app.feishu.asking import Asking
from app.feishu.attachments import Files, Images
from app.feishu.bot import Bot
from app.feishu.client import FeishuClient, open_client
from app.feishu.commands import Commands
from app.feishu.conversation import Conversations
from app.feishu.credentials import Credentials
from app.feishu.delivery import Deliverer
from app.feishu.inbox import Inbox, open_inbox
from app.feishu.offers import Offers
from app.feishu.patience import Patience
from app.feishu.reception import Reception
from app.feishu.sessions import Pace, Sessions, working
from app.feishu.transport import Transport
from app.services import Services
from chains import rag

QUICK = Pace(lease_s=0.5, poll_s=0.05, first_delay_s=0.05, longest_delay_s=0.2)
IMPATIENT = Patience(tries=3, first_s=0.02, longest_s=0.1)


@dataclass(frozen=True, slots=True)
class Life:
    """What a process needs to be this bot; `dies_at` is the step that it does not survive, 0 for none."""

    database: str
    credentials: Credentials
    me: str
    dies_at: int = 0


@dataclass(frozen=True, slots=True)
class Living:
    """The bot, while it lives."""

    database: Database
    inbox: Inbox
    client: FeishuClient
    reception: Reception
    bot: Bot


def url_in(folder: Path) -> str:
    return f"sqlite+aiosqlite:///{folder / 'larkwise.sqlite3'}"


def live(life: Life) -> None:
    """The process; its exit code is 0 where nothing waits any more."""
    if life.dies_at:
        _count_down_to_death(life.dies_at)
    asyncio.run(_until_idle(life))


async def _until_idle(life: Life) -> None:
    async for living in opened(life):
        async with working(Sessions(living.bot, living.inbox, QUICK)):
            await idle(living.inbox)


async def idle(inbox: Inbox) -> None:
    """Nothing waits any more."""
    while await inbox.next_of_all() is not None:  # noqa: ASYNC110 - it is in the database
        await asyncio.sleep(0.01)


async def opened(life: Life, *, now: Callable[[], float] | None = None) -> AsyncIterator[Living]:
    """To be used with `async for`, once."""
    database = await open_database(life.database)
    try:
        async with open_inbox(database) as inbox, open_client(life.credentials, patience=IMPATIENT) as client:
            bot = _bot(life, database, inbox, client, Deliverer(client, inbox, **({"now": now} if now else {})))
            yield Living(database, inbox, client, Reception(inbox, database, lambda: life.me), bot)
    finally:
        await database.close()


def _bot(life: Life, database: Database, inbox: Inbox, client: FeishuClient, deliverer: Deliverer) -> Bot:
    collections = SimpleNamespace(names=lambda: ["default"])
    chain: Any = RunnableGenerator(_answer)
    services = cast(
        Services,
        SimpleNamespace(specs={"rag": rag.SPEC}, chains={"rag": chain}, database=database, collections=collections),
    )
    conversations = Conversations(database)
    files = Files(client, services, max_bytes=1000)
    return Bot(
        me=life.me,
        inbox=inbox,
        deliverer=deliverer,
        conversations=conversations,
        commands=Commands(conversations, services.collections, lambda *_: ""),
        asking=Asking(services, database, inbox, conversations, deliverer, lambda *_: ""),
        images=Images(client, max_bytes=1000),
        offers=Offers(deliverer, inbox, conversations, files, max_bytes=1000),
        usual="en",
    )


async def _answer(values: AsyncIterator[dict[str, Any]]) -> AsyncIterator[AddableDict]:
    """A few words, slowly enough to be seen."""
    async for value in values:
        yield AddableDict(answer_id=uuid.uuid4().hex, standalone_question=value["question"], sources=[])
        for word in re.findall(r"\S+\s*", f"You asked: {value['question']}"):
            await asyncio.sleep(0.02)
            yield AddableDict(answer=word)
        yield AddableDict(citations=[], confidence=0.5, refused=False, mode="generated", signals={})


def _count_down_to_death(step: int) -> None:
    """A step is a call before it is made and after its answer came, and a commit before and after."""
    left = step

    def lives() -> None:
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    once = Transport._once

    async def mortal(self: Transport, *call: Any) -> Any:
        lives()
        answer = await once(self, *call)
        lives()
        return answer

    Transport._once = mortal  # type: ignore[method-assign,assignment]
    event.listen(Session, "before_commit", lambda _: lives())
    event.listen(Session, "after_commit", lambda _: lives())
