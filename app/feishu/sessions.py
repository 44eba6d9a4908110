"""
Each conversation in its order, many side by side, and none by two processes at once.

A conversation is worked on by whoever holds its lease; a process that dies holds it a little longer, and then another
one, or the same after its restart, goes on where it was.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

from sqlalchemy.exc import SQLAlchemyError

from app.feishu.bot import MAX_ATTEMPTS, Bot
from app.feishu.delivery import Numbers
from app.feishu.errors import PASSING, CallFailed
from app.feishu.inbox import ASIDE, KEPT, Inbox, Item, TakenOver
from app.finishing import to_the_end

logger = logging.getLogger(__name__)


_TOGETHER_S = 0.02
"""What arrives within it is looked at once."""
_REFUSED_AT_ONCE = 3
_BOUND = ("", "file")
_CROWDED_S = 0.25
"""Where more waits than there is room for, to look through it all takes its time, and seldom finds room."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How patient the work is; in seconds."""

    lease_s: float = 15.0
    poll_s: float = 1.0
    """New events are taken up at once; this is for those of other processes, and for what was put off."""
    first_delay_s: float = 2.0
    longest_delay_s: float = 300.0
    give_up_s: float = 24 * 3600.0
    side_by_side: int = 16
    queue: int = 20
    """Messages of one conversation that may wait."""


class Sessions:
    """The work on the inbox of this process."""

    def __init__(self, bot: Bot, inbox: Inbox, pace: Pace) -> None:
        self._bot = bot
        self._inbox = inbox
        self._pace = pace
        self._owner = uuid.uuid4().hex
        self._began_at = time.time()
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._news = asyncio.Event()
        inbox.on_arrival(self._news.set)

    async def run(self) -> None:
        """Until it is cancelled."""
        renewing = asyncio.create_task(self._renew())
        try:
            while True:
                self._news.clear()
                is_crowded = False
                with _trouble_told():
                    is_crowded = await self._take_up()
                with contextlib.suppress(TimeoutError):
                    # not wait_for: before Python 3.12 it may lose a cancellation
                    async with asyncio.timeout(self._pace.poll_s):
                        await self._news.wait()
                await asyncio.sleep(_CROWDED_S if is_crowded else _TOGETHER_S)
        finally:
            tasks = [renewing, *self._tasks.values()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _take_up(self) -> bool:
        """Whether something has to wait for room."""
        is_crowded = False
        for key in await self._inbox.waiting_sessions():
            if key in self._tasks:
                continue
            if self._is_full(key):
                is_crowded = True
                continue
            if ASIDE in key and await self._is_elsewhere(key.partition(ASIDE)[0]):
                continue
            if await self._inbox.claim(key, self._owner, self._pace.lease_s):
                self._tasks[key] = asyncio.create_task(self._work(key))
        return is_crowded

    def _is_full(self, key: str) -> bool:
        """Conversations and files have room of their own, and for what ends an answer there always is some."""
        kind = _kind(key)
        return kind in _BOUND and sum(_kind(one) == kind for one in self._tasks) >= self._pace.side_by_side

    async def _is_elsewhere(self, key: str) -> bool:
        """Whether another process works on this conversation: what is said beside it is for that one."""
        return key not in self._tasks and await self._inbox.is_leased(key, self._owner)

    async def _work(self, key: str) -> None:
        """Everything that waits in a session."""
        try:
            while item := await self._inbox.next_in(key):
                if item.due_at > time.time():
                    await self._inbox.put_off(key, item.due_at)
                    break
                await self._refuse_excess(item)
                await self._work_on(item)
        except TakenOver as error:
            logger.warning("another process goes on with a conversation: %s", error)
        except CallFailed as error:  # of what is said beside an item
            logger.warning("a conversation waits for Feishu: %s", error)
            await asyncio.sleep(self._pace.first_delay_s)
        except (SQLAlchemyError, OSError) as error:
            logger.warning("the inbox cannot be worked on now (%s): larkwise tries again", _first_line(error))
            await asyncio.sleep(self._pace.poll_s)
        finally:
            await to_the_end(self._let_go(key))

    async def _let_go(self, key: str) -> None:
        """The session is anybody's, ours again as well."""
        try:
            with contextlib.suppress(SQLAlchemyError, OSError):
                await self._inbox.release(key, self._owner)
        finally:
            # not before: whoever of us takes it up next has the same name, and would be released instead
            del self._tasks[key]
            self._news.set()

    async def _work_on(self, item: Item) -> None:
        item, last = await self._inbox.begin_attempt(item)
        numbers = Numbers(last)
        try:
            if item.attempts - item.pardoned > MAX_ATTEMPTS:
                await self._bot.give_up(item, numbers, f"{MAX_ATTEMPTS} ×")
            else:
                await self._bot.handle(item, numbers)
        except CallFailed as error:
            await self._put_off(item, numbers, error)
        except asyncio.CancelledError:
            # we end it ourselves: that is no attempt that has failed
            with contextlib.suppress(TakenOver):
                await asyncio.shield(self._inbox.change(item, pardoned=item.pardoned + 1))
            raise
        except (SQLAlchemyError, OSError, TakenOver):
            raise
        except Exception:  # the top of a task: an error of ours must not stop the conversation
            logger.exception("item %d of the inbox has failed", item.id)
            await self._inbox.change(item, due_at=time.time() + self._growing_delay(item))

    async def _put_off(self, item: Item, numbers: Numbers, error: CallFailed) -> None:
        """It waits for Feishu, the longer the longer it has waited; after a day it has failed."""
        # what came before this process began has not waited for Feishu all the time
        age = time.time() - max(item.received_at.timestamp(), self._began_at)
        item = await self._inbox.latest(item)
        # an answer that is there goes out whenever Feishu takes it
        longest_s = KEPT.total_seconds() if item.answers else self._pace.give_up_s
        if age > longest_s:
            await self._give_up(item, numbers, age, error)
        else:
            await self._wait(item, age, error)

    async def _wait(self, item: Item, age_s: float, error: CallFailed) -> None:
        delay, pardoned = max(age_s / 2, self._pace.first_delay_s), item.pardoned + 1
        if not isinstance(error, PASSING):  # a few tries, then the person is told
            delay, pardoned = self._growing_delay(item), item.pardoned
        delay = min(delay, self._pace.longest_delay_s)
        logger.warning("item %d waits %.0f s for Feishu: %s", item.id, delay, error)
        await self._inbox.change(item, pardoned=pardoned, due_at=time.time() + delay)

    async def _give_up(self, item: Item, numbers: Numbers, age_s: float, error: CallFailed) -> None:
        """The person is told, as soon as Feishu takes that at least."""
        logger.error("item %d is given up after %.0f hours: %s", item.id, age_s / 3600, error)
        try:
            await self._bot.give_up(item, numbers, f"{age_s / 3600:.0f} h")
        except CallFailed as again:
            if age_s > KEPT.total_seconds() or not isinstance(again, PASSING):
                logger.error("item %d: nor can anybody be told: %s", item.id, again)  # noqa: TRY400 - a sentence
                await self._inbox.change(item, state="failed", outcome=str(error)[:200])
            else:
                await self._wait(item, age_s, again)

    def _growing_delay(self, item: Item) -> float:
        return float(self._pace.first_delay_s * 2 ** (item.attempts - item.pardoned))

    async def _refuse_excess(self, item: Item) -> None:
        """More than a few wait with the item: the newest are told so, and not left to hope."""
        waiting = await self._inbox.unbegun(item.session)
        overheard = [one for one in waiting if one.id != item.id and not self._bot.is_meant_by(one)]
        await self._inbox.remove(overheard)
        excess = [one for one in waiting if self._bot.is_meant_by(one)][self._pace.queue + 1 :]
        for one in excess[-_REFUSED_AT_ONCE:]:
            with contextlib.suppress(TakenOver):
                try:
                    await self._bot.refuse(one, self._pace.queue)
                except CallFailed:  # it is its turn later, then
                    return

    async def _renew(self) -> None:
        """Whose lease is lost is not worked on any more: another process does."""
        while True:
            await asyncio.sleep(self._pace.lease_s / 3)
            with _trouble_told():
                mine = dict(self._tasks)
                held = await self._inbox.renew(self._owner, self._pace.lease_s)
                for key in mine.keys() - held:
                    if self._tasks.get(key) is mine[key]:
                        logger.warning("the lease of a conversation is lost")
                        mine[key].cancel()


@contextlib.contextmanager
def _trouble_told() -> Iterator[None]:
    try:
        yield
    except (SQLAlchemyError, OSError) as error:
        logger.warning("the inbox cannot be read now (%s): larkwise tries again", _first_line(error))
    except Exception:  # the top of a task: without it nobody would be answered any more
        logger.exception("the inbox cannot be worked on now: larkwise tries again")


def _kind(key: str) -> str:
    """Empty of a conversation, else what is done beside it."""
    return key.partition(ASIDE)[2].partition("-")[0]


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]


@contextlib.asynccontextmanager
async def working(sessions: Sessions) -> AsyncIterator[None]:
    """Work on the inbox meanwhile."""
    running = asyncio.create_task(sessions.run())
    try:
        yield
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
