"""Accepted events: kept before Feishu is told so, taken up once, and followed to their end."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Select, delete, func, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from app.database import Database
from app.feishu.errors import InboxUnavailable
from app.feishu.tables import InboxRow, SessionLeaseRow
from app.finishing import all_finished

logger = logging.getLogger(__name__)
KEPT = timedelta(days=30)
"""Longer than any signature is accepted, and than a card can be changed (14 days)."""
OPEN = ("waiting", "answered")
ASIDE = "#"
"""What follows it in a session's key is done beside the conversation, and not in its order."""
_AT_ONCE = 200
_LOOKED_AT = 300
_DAY_S = 24 * 3600.0


@dataclass(frozen=True, slots=True)
class Arrival:
    """An event as it is put into the inbox; `message_id` only of what somebody has written."""

    event_id: str
    kind: str
    session: str
    chat_id: str
    person: str
    created_ms: int
    event: Mapping[str, Any]
    message_id: str | None = None
    state: str = "waiting"
    outcome: str = ""


@dataclass(frozen=True, slots=True)
class Item:
    """A row of the inbox at one moment; see `app.feishu.tables.InboxRow`."""

    id: int
    event_id: str
    message_id: str | None
    kind: str
    session: str
    chat_id: str
    person: str
    created_ms: int
    event: Mapping[str, Any]
    state: str
    attempts: int
    pardoned: int
    due_at: float
    answers: tuple[str, ...]
    form: str
    card_id: str | None
    reply_id: str | None
    sending_at: float | None
    outcome: str
    question: str
    said: str
    received_at: datetime


class TakenOver(Exception):
    """Somebody else works on this item now: whatever is done about it is theirs."""


class Inbox:
    """Open it with `open_inbox`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._arriving: list[tuple[Arrival, asyncio.Future[bool]]] = []
        self._has_arrived = asyncio.Event()
        self._is_open = True
        self._listeners: list[Callable[[], None]] = []

    def on_arrival(self, listener: Callable[[], None]) -> None:
        """It is called when something new is there."""
        self._listeners.append(listener)

    async def accept(self, arrival: Arrival) -> bool:
        """
        When this returns the event is on the disk; False where it had come before.

        Raises:
            InboxUnavailable: it could not be written, or larkwise is being stopped.
        """
        if not self._is_open:
            raise InboxUnavailable("larkwise is being stopped")
        kept: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._arriving.append((arrival, kept))
        self._has_arrived.set()
        return await kept

    async def keep_arrivals(self) -> None:
        """Until it is cancelled: write what arrives, all that is there in one commit; each costs the disk its time."""
        while True:
            await self._has_arrived.wait()
            self._has_arrived.clear()
            while self._arriving:
                await self._keep()

    def close(self) -> None:
        """When nobody keeps arrivals any more: whoever waits for that is refused, and so is whoever comes."""
        self._is_open = False
        self._refuse(self._arriving)
        self._arriving = []

    async def _keep(self) -> None:
        together: list[tuple[Arrival, asyncio.Future[bool]]] = []
        is_over = False

        def gather() -> None:
            # not before: what comes while another one writes is kept with the others, and not after them
            if not is_over:
                together.extend(self._arriving[:_AT_ONCE])
                del self._arriving[:_AT_ONCE]

        def insert(session: Session) -> set[str]:
            return _inserted(session, [arrival for arrival, _ in together]) if together else set()

        try:
            new = await self._database.write(insert, urgent=True, at_turn=gather)
        except (SQLAlchemyError, OSError) as error:
            logger.critical("the inbox cannot be written (%s): Feishu is told to send again", _first_line(error))
            self._refuse(together)
        except Exception:  # the top of a task: without it nobody would ever be answered again
            logger.exception("events cannot be kept: Feishu is told to send again")
            self._refuse(together)
        except BaseException:  # the end of the service: whether they are written is not known, and nobody waits for it
            is_over = True
            self._refuse(together)
            raise
        else:
            for arrival, kept in together:
                is_new = arrival.event_id in new
                new.discard(arrival.event_id)  # the same event twice in one batch is new once
                if not kept.done():
                    kept.set_result(is_new)
            for listener in self._listeners:
                listener()

    def _refuse(self, together: Sequence[tuple[Arrival, asyncio.Future[bool]]]) -> None:
        for _, kept in together:
            if not kept.done():
                kept.set_exception(InboxUnavailable("the inbox cannot be written"))

    async def knows(self, event_id: str) -> bool:
        """Whether it has come before."""
        query = select(InboxRow.id).where(InboxRow.event_id == event_id)
        return await self._database.read(lambda session: session.scalar(query)) is not None

    async def waiting_sessions(self) -> list[str]:
        """Where something is due: what ends an answer first, then the oldest; not all of very many."""
        # of a flood not everything is looked at each time; neither files nor conversations fill the room of the others
        ends = or_(*(InboxRow.session.endswith(f"{ASIDE}{kind}") for kind in ("stop", "recall")))
        place = func.row_number().over(partition_by=InboxRow.session.contains(ASIDE), order_by=func.min(InboxRow.id))
        query = (
            select(InboxRow.session)
            .where(InboxRow.state.in_(OPEN), InboxRow.due_at <= time.time())
            .group_by(InboxRow.session)
            .order_by(ends.desc(), place, func.min(InboxRow.id))
            .limit(_LOOKED_AT)
        )
        return await self._database.read(lambda session: list(session.scalars(query)))

    async def unbegun(self, key: str) -> list[Item]:
        """The messages of a session that nothing was done about yet, in the order in which people wrote."""
        query = (
            select(InboxRow)
            .where(InboxRow.state == "waiting", InboxRow.session == key)
            .where(InboxRow.kind == "message", InboxRow.attempts == 0)
            .order_by(InboxRow.created_ms, InboxRow.id)
        )
        return await self._database.read(lambda session: [_item(row) for row in session.scalars(query)])

    async def clicks_for_another(self, target: Item) -> tuple[int, int]:
        """How often another answer to the target was asked for: what is still open, and what has ended."""
        query = select(InboxRow.state).where(
            InboxRow.session == target.session,
            InboxRow.kind == "click",
            InboxRow.message_id.startswith(f"regenerate-{target.id}-"),
        )
        states = await self._database.read(lambda session: list(session.scalars(query)))
        open_ones = sum(state in OPEN for state in states)
        return open_ones, len(states) - open_ones

    async def put_off(self, key: str, due_at: float) -> None:
        """Nothing of this session is done before then; what comes first in it comes first then, too."""
        statement = update(InboxRow).where(InboxRow.session == key, InboxRow.state.in_(OPEN)).values(due_at=due_at)
        await self._database.write(lambda session: session.execute(statement))

    async def next_of_all(self) -> Item | None:
        """The oldest that has not ended."""
        query = select(InboxRow).where(InboxRow.state.in_(OPEN)).order_by(InboxRow.id).limit(1)
        return await self._first(query)

    async def next_in(self, key: str) -> Item | None:
        """The first of a session that has not ended."""
        query = (
            select(InboxRow)
            .where(InboxRow.state.in_(OPEN), InboxRow.session == key)
            .order_by(InboxRow.created_ms, InboxRow.id)
            .limit(1)
        )
        return await self._first(query)

    async def get(self, item_id: int) -> Item | None:
        return await self._first(select(InboxRow).where(InboxRow.id == item_id))

    async def of_message(self, message_id: str) -> Item | None:
        """What somebody's message has become."""
        return await self._first(select(InboxRow).where(InboxRow.message_id == message_id))

    async def of_reply(self, reply_id: str) -> Item | None:
        """What the bot's own message answers."""
        return await self._first(select(InboxRow).where(InboxRow.reply_id == reply_id).limit(1))

    async def _first(self, query: Select[InboxRow]) -> Item | None:
        row = await self._database.read(lambda session: session.scalar(query))
        return _item(row) if row else None

    async def change(self, item: Item, **values: Any) -> Item:
        """
        The item as it is afterwards; on the disk when this returns.

        Raises:
            TakenOver: another attempt has begun since the item was read.
        """
        return await self._database.write(lambda session: changed(session, item, **values))

    async def latest(self, item: Item) -> Item:
        """
        The item as it is now.

        Raises:
            TakenOver: another attempt has begun since the item was read.
        """
        now = await self.get(item.id)
        if now is None or now.attempts != item.attempts:
            raise TakenOver(f"item {item.id} is somebody else's now")
        return now

    async def remove(self, items: Sequence[Item]) -> None:
        """As if they had never come; what another attempt has begun meanwhile stays."""

        def removed(session: Session) -> None:
            for one in items:
                session.execute(delete(InboxRow).where(InboxRow.id == one.id, InboxRow.attempts == one.attempts))

        if items:
            await self._database.write(removed)

    async def mark(self, item_id: int, outcome: str, *, instead_of: str) -> bool:
        """From outside, whoever works on it: False where it was marked otherwise before."""
        statement = (
            update(InboxRow)
            .where(InboxRow.id == item_id, InboxRow.outcome == instead_of)
            .values(outcome=outcome)
            .returning(InboxRow.id)
        )
        return await self._database.write(lambda session: session.scalar(statement)) is not None

    async def begin_attempt(self, item: Item) -> tuple[Item, int]:
        """
        From now on the item is ours; numbers are set aside for the changes of its card, or of the one it changes.

        The second of the two is the last number that was used before; ten thousand after it are this attempt's.

        Raises:
            TakenOver: another attempt has begun since the item was read.
        """
        turn = str(item.event.get("value", {}).get("turn", "")) if item.kind == "click" else ""
        numbers = (
            update(InboxRow)
            .where(InboxRow.id == (int(turn) if turn else item.id))
            .values(sequence=InboxRow.sequence + _NUMBERS)
            .returning(InboxRow.sequence)
        )

        def begun(session: Session) -> tuple[Item, int]:
            last = session.scalar(numbers) or _NUMBERS
            return changed(session, item, attempts=InboxRow.attempts + 1), last - _NUMBERS

        return await self._database.write(begun)

    async def forget_daily(self) -> None:
        """Until it is cancelled."""
        while True:
            try:
                await self.forget_old()
            except (SQLAlchemyError, OSError) as error:
                logger.warning("old events are not forgotten now: %s", _first_line(error))
            await asyncio.sleep(_DAY_S)

    async def forget_old(self) -> None:
        """What ended long ago."""
        ended = delete(InboxRow).where(InboxRow.state.not_in(OPEN), InboxRow.received_at < datetime.now(UTC) - KEPT)
        still_open = select(InboxRow.session).where(InboxRow.state.in_(OPEN))
        unused = delete(SessionLeaseRow).where(
            SessionLeaseRow.lease_until < time.time(), SessionLeaseRow.key.not_in(still_open)
        )

        def forget(session: Session) -> None:
            session.execute(ended)
            session.execute(unused)

        await self._database.write(forget)

    # sessions

    async def claim(self, key: str, owner: str, lease_s: float) -> bool:
        """Whether the session is now the owner's: it was nobody's, or its owner has not been heard of."""
        now = time.time()
        free = (
            (SessionLeaseRow.owner.is_(None)) | (SessionLeaseRow.lease_until < now) | (SessionLeaseRow.owner == owner)
        )
        lease = {"owner": owner, "lease_until": now + lease_s}

        def claimed(session: Session) -> bool:
            made = _insert(session.connection(), SessionLeaseRow).values(key=key, **lease)
            taken = made.on_conflict_do_update(index_elements=["key"], set_=lease, where=free)
            return session.scalar(taken.returning(SessionLeaseRow.key)) is not None

        return await self._database.write(claimed)

    async def is_leased(self, key: str, owner: str) -> bool:
        """Whether it is another one's than the owner's."""
        row = await self._database.read(lambda session: session.get(SessionLeaseRow, key))
        return row is not None and row.owner not in (None, owner) and row.lease_until >= time.time()

    async def renew(self, owner: str, lease_s: float) -> set[str]:
        """The sessions that are the owner's, all of them for another while."""
        statement = (
            update(SessionLeaseRow)
            .where(SessionLeaseRow.owner == owner, SessionLeaseRow.lease_until >= time.time())
            .values(lease_until=time.time() + lease_s)
            .returning(SessionLeaseRow.key)
        )
        return await self._database.write(lambda session: set(session.scalars(statement)))

    async def release(self, key: str, owner: str) -> None:
        statement = (
            update(SessionLeaseRow)
            .where(SessionLeaseRow.key == key, SessionLeaseRow.owner == owner)
            .values(owner=None, lease_until=0.0)
        )
        await self._database.write(lambda session: session.execute(statement))


_NUMBERS = 10_000


def changed(session: Session, item: Item, **values: Any) -> Item:
    """As `Inbox.change`, within a transaction."""
    statement = (
        update(InboxRow)
        .where(InboxRow.id == item.id, InboxRow.attempts == item.attempts)
        .values(**values)
        .returning(InboxRow)
    )
    row = session.scalars(statement, execution_options={"populate_existing": True}).one_or_none()
    if row is None:
        raise TakenOver(f"item {item.id} is somebody else's now")
    return _item(row)


@asynccontextmanager
async def open_inbox(database: Database) -> AsyncIterator[Inbox]:
    """An inbox that accepts while this is open."""
    inbox = Inbox(database)
    tasks = [asyncio.create_task(inbox.keep_arrivals()), asyncio.create_task(inbox.forget_daily())]
    try:
        yield inbox
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        inbox.close()
        await all_finished()


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]


def _inserted(session: Session, arrivals: Sequence[Arrival]) -> set[str]:
    """The event ids of those that are new."""
    now = datetime.now(UTC)
    rows = [_values(one, now) for one in arrivals]
    connection = session.connection()
    # what was there already stays as it is
    insert = _insert(connection, InboxRow).on_conflict_do_nothing().returning(InboxRow.event_id)
    return set(connection.execute(insert, rows).scalars())


def _insert(connection: Connection, table: type[Any]) -> postgresql.Insert | sqlite.Insert:
    if connection.dialect.name == "postgresql":
        return postgresql.insert(table.__table__)
    return sqlite.insert(table.__table__)


def _values(arrival: Arrival, now: datetime) -> dict[str, Any]:
    return {
        "event_id": arrival.event_id,
        "message_id": arrival.message_id,
        "kind": arrival.kind,
        "session": arrival.session,
        "chat_id": arrival.chat_id,
        "person": arrival.person,
        "created_ms": arrival.created_ms,
        "event": dict(arrival.event),
        "state": arrival.state,
        "outcome": arrival.outcome,
        "due_at": 0.0,
        "attempts": 0,
        "pardoned": 0,
        "question": "",
        "said": "",
        "answers": [],
        "form": "",
        "sequence": 0,
        "forgets": False,
        "received_at": now,
    }


def _item(row: InboxRow) -> Item:
    return Item(
        id=row.id,
        event_id=row.event_id,
        message_id=row.message_id,
        kind=row.kind,
        session=row.session,
        chat_id=row.chat_id,
        person=row.person,
        created_ms=row.created_ms,
        event=row.event,
        state=row.state,
        attempts=row.attempts,
        pardoned=row.pardoned,
        due_at=row.due_at,
        answers=tuple(row.answers),
        form=row.form,
        card_id=row.card_id,
        reply_id=row.reply_id,
        sending_at=row.sending_at,
        outcome=row.outcome,
        question=row.question,
        said=row.said,
        received_at=row.received_at if row.received_at.tzinfo else row.received_at.replace(tzinfo=UTC),
    )
