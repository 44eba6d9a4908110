"""Events are kept once, and conversations have one worker each."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from app.database import Database, open_database
from app.feishu import inbox as inbox_module
from app.feishu.errors import InboxUnavailable
from app.feishu.inbox import Arrival, Inbox, Item, TakenOver, open_inbox
from app.finishing import to_the_end


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    opened = await open_database(f"sqlite+aiosqlite:///{tmp_path / 'larkwise.sqlite3'}")
    yield opened
    await opened.close()


@pytest.fixture
async def inbox(database: Database) -> AsyncIterator[Inbox]:
    async with open_inbox(database) as opened:
        yield opened


def arrival(number: int, *, message: int | None = None, session: str = "chat", created_ms: int = 0) -> Arrival:
    message = number if message is None else message
    return Arrival(
        f"event-{number}",
        "message",
        session,
        "chat",
        "ou_li",
        created_ms or number,
        {},
        message_id=f"message-{message}",
    )


async def accepted(inbox: Inbox, *arrivals: Arrival) -> list[bool]:
    return list(await asyncio.gather(*map(inbox.accept, arrivals)))


async def first(inbox: Inbox, session: str = "chat") -> Item:
    item = await inbox.next_in(session)
    assert item is not None
    return item


async def test_an_event_that_comes_again_is_not_new(inbox: Inbox) -> None:
    assert await accepted(inbox, arrival(1), arrival(1), arrival(2)) == [True, False, True]
    assert await accepted(inbox, arrival(1)) == [False]


async def test_a_message_that_comes_under_another_event_is_not_new(inbox: Inbox) -> None:
    assert await accepted(inbox, arrival(1, message=7), arrival(2, message=7)) == [True, False]
    assert await accepted(inbox, arrival(3, message=7)) == [False]


async def test_what_is_accepted_is_there_after_everything_was_closed(database: Database, tmp_path: Path) -> None:
    async with open_inbox(database) as inbox:
        await inbox.accept(arrival(1))
    again = await open_database(f"sqlite+aiosqlite:///{tmp_path / 'larkwise.sqlite3'}")
    try:
        async with open_inbox(again) as inbox:
            assert (await first(inbox)).event_id == "event-1"
            assert not await inbox.accept(arrival(1))
    finally:
        await again.close()


async def test_a_conversation_goes_by_the_time_at_which_people_wrote(inbox: Inbox) -> None:
    await accepted(inbox, arrival(1, created_ms=300), arrival(2, created_ms=100), arrival(3, created_ms=200))
    order = []
    while item := await inbox.next_in("chat"):
        order.append(item.event_id)
        await inbox.change(item, state="done")
    assert order == ["event-2", "event-3", "event-1"]


async def test_an_inbox_that_cannot_be_written_says_so_and_later_it_can(database: Database, inbox: Inbox) -> None:
    async with database.session.begin() as session:
        await session.execute(text("ALTER TABLE feishu_inbox RENAME TO away"))
    with pytest.raises(InboxUnavailable):
        await inbox.accept(arrival(1))
    async with database.session.begin() as session:
        await session.execute(text("ALTER TABLE away RENAME TO feishu_inbox"))
    assert await inbox.accept(arrival(1))


async def test_an_inbox_that_is_closed_while_it_writes_refuses_what_is_not_kept_and_whatever_comes(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_writing, waiting = asyncio.Event(), []

    async def endless(_: object, *, urgent: bool = False, at_turn: Callable[[], None] = lambda: None) -> None:
        if urgent:
            at_turn()
            is_writing.set()
        await asyncio.Event().wait()

    async with asyncio.timeout(10):
        async with open_inbox(database) as inbox:
            monkeypatch.setattr(database, "write", endless)
            waiting.append(asyncio.create_task(to_the_end(inbox.accept(arrival(1)))))
            await is_writing.wait()
            waiting.append(asyncio.create_task(to_the_end(inbox.accept(arrival(2)))))
            await asyncio.sleep(0)
        waiting.append(asyncio.create_task(inbox.accept(arrival(3))))
        outcomes = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(one) for one in outcomes] == [InboxUnavailable] * 3


async def test_what_comes_while_somebody_else_writes_is_kept_in_one_commit(
    database: Database, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    insert, sizes = inbox_module._inserted, []

    def counted(session: Session, arrivals: Sequence[Arrival]) -> set[str]:
        sizes.append(len(arrivals))
        return insert(session, arrivals)

    monkeypatch.setattr(inbox_module, "_inserted", counted)
    is_writing, may_end = threading.Event(), threading.Event()

    def work(_: Session) -> None:
        is_writing.set()
        may_end.wait()

    writing = asyncio.create_task(to_the_end(database.write(work)))
    await asyncio.to_thread(is_writing.wait)
    coming = []
    for number in range(5):
        coming.append(asyncio.create_task(to_the_end(inbox.accept(arrival(number)))))
        await asyncio.sleep(0.01)
    may_end.set()
    assert await asyncio.gather(*coming) == [True] * 5
    assert sizes == [5]
    await writing


async def test_a_session_is_one_workers_until_its_lease_ends(inbox: Inbox) -> None:
    await inbox.accept(arrival(1))
    assert await inbox.claim("chat", "mine", 60)
    assert await inbox.claim("chat", "mine", 60)
    assert not await inbox.claim("chat", "yours", 60)
    assert await inbox.is_leased("chat", "yours")
    assert await inbox.renew("mine", -1) == {"chat"}
    assert await inbox.claim("chat", "yours", 60)
    assert await inbox.renew("mine", 60) == set()


async def test_a_session_that_is_released_is_anybodys(inbox: Inbox) -> None:
    await inbox.accept(arrival(1))
    await inbox.claim("chat", "mine", 60)
    await inbox.release("chat", "mine")
    assert await inbox.claim("chat", "yours", 60)


async def test_what_is_put_off_is_not_due_and_waits_in_its_place(inbox: Inbox) -> None:
    await accepted(inbox, arrival(1), arrival(2))
    assert await inbox.waiting_sessions() == ["chat"]
    await inbox.put_off("chat", 4e9)
    assert await inbox.waiting_sessions() == []
    assert (await first(inbox)).event_id == "event-1"


async def test_every_attempt_has_numbers_of_its_own(inbox: Inbox) -> None:
    await inbox.accept(arrival(1))
    item, before = await inbox.begin_attempt(await first(inbox))
    again, after = await inbox.begin_attempt(item)
    assert (item.attempts, again.attempts) == (1, 2)
    assert after == before + 10_000


async def test_a_click_takes_its_numbers_from_the_card_that_it_changes(inbox: Inbox) -> None:
    await inbox.accept(arrival(1))
    item, card = await inbox.begin_attempt(await first(inbox))
    event = {"value": {"turn": str(item.id)}}
    await inbox.accept(Arrival("event-2", "click", "click", "chat", "ou_li", 2, event))
    click, numbers = await inbox.begin_attempt(await first(inbox, "click"))
    assert click.attempts == 1
    assert numbers > card


async def test_who_was_overtaken_changes_nothing_any_more(inbox: Inbox) -> None:
    await inbox.accept(arrival(1))
    mine, _ = await inbox.begin_attempt(await first(inbox))
    await inbox.begin_attempt(await first(inbox))
    with pytest.raises(TakenOver):
        await inbox.change(mine, state="done")
    with pytest.raises(TakenOver):
        await inbox.begin_attempt(mine)
    assert (await first(inbox)).state == "waiting"


async def test_what_ended_long_ago_is_forgotten_and_what_is_open_never(database: Database, inbox: Inbox) -> None:
    await accepted(inbox, arrival(1), arrival(2))
    await inbox.change(await first(inbox), state="done")
    async with database.session.begin() as session:
        await session.execute(text("UPDATE feishu_inbox SET received_at = '2020-01-01 00:00:00'"))
    await inbox.forget_old()
    assert not await inbox.knows("event-1")
    assert await inbox.knows("event-2")


async def test_leases_of_conversations_in_which_nothing_waits_are_forgotten(database: Database, inbox: Inbox) -> None:
    sessions = ("held", "over", "dead", "open")
    for number, session in enumerate(sessions):
        await inbox.accept(arrival(number, session=session))
        await inbox.claim(session, session, -1 if session == "dead" else 60)
        if session != "open":
            await inbox.change(await first(inbox, session), state="done")
    await inbox.release("over", "over")
    await inbox.release("open", "open")
    await inbox.forget_old()
    kept = await database.read(lambda rows: set(rows.scalars(text("SELECT key FROM feishu_sessions"))))
    assert kept == {"held", "open"}


async def test_a_conversation_whose_lease_was_forgotten_meanwhile_can_be_claimed(
    database: Database, inbox: Inbox
) -> None:
    await inbox.accept(arrival(1))
    async with database.session.begin() as session:
        await session.execute(text("DELETE FROM feishu_sessions"))
    assert await inbox.claim("chat", "mine", 60)
    assert not await inbox.claim("chat", "yours", 60)


async def test_files_that_wait_keep_no_conversation_from_being_looked_at(inbox: Inbox) -> None:
    files = [arrival(number, session=f"chat#file-{number}") for number in range(400)]
    await accepted(inbox, *files, arrival(400), arrival(401, session="chat#stop"))
    looked_at = await inbox.waiting_sessions()
    assert looked_at[0] == "chat#stop"
    assert "chat" in looked_at[1:3]
    assert "chat#file-0" in looked_at[1:3]
