"""What a question is understood by: what was said before it in its conversation, up to the last `/new`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import update

from app.database import Database, open_database
from app.feishu.conversation import Conversations
from app.feishu.inbox import Arrival, Inbox, Item, open_inbox
from app.feishu.tables import InboxRow


@dataclass
class Chat:
    """Messages come in the order of the calls; `at` is when people wrote them."""

    database: Database
    inbox: Inbox
    conversations: Conversations
    come: int = 0

    async def question(self, text: str, *, at: int) -> Item:
        """It is answered at once."""
        item = await self._message(at)
        await self.database.save_answer(text, chain="rag", caller="li", question=text, output={"answer": f"to {text}"})
        return await self.inbox.change(item, state="done", question=text, answers=[text])

    async def new(self, *, at: int) -> Item:
        item = await self._message(at)
        await self.conversations.forget(item)
        return await self.inbox.change(item, state="done")

    async def history(self, item: Item) -> list[str]:
        return [turn["question"] for turn in await self.conversations.history(item)]

    async def _message(self, at: int) -> Item:
        self.come += 1
        name = f"message-{self.come}"
        await self.inbox.accept(Arrival(name, "message", "chat", "chat", "li", at, {}, message_id=name))
        item = await self.inbox.of_message(name)
        assert item is not None
        return item


@pytest.fixture
async def chat(tmp_path: Path) -> AsyncIterator[Chat]:
    database = await open_database(f"sqlite+aiosqlite:///{tmp_path / 'larkwise.sqlite3'}")
    async with open_inbox(database) as inbox:
        yield Chat(database, inbox, Conversations(database))
    await database.close()


async def test_new_forgets_what_was_written_before_it_and_came_after_it(chat: Chat) -> None:
    await chat.new(at=20)
    late = await chat.question("late", at=10)
    following = await chat.question("following", at=30)

    assert await chat.history(following) == []
    assert await chat.history(late) == []
    assert await chat.history(await chat.question("last", at=40)) == ["following"]


async def test_of_messages_of_one_millisecond_the_first_that_came_is_the_earlier_one(chat: Chat) -> None:
    first = await chat.question("first", at=10)
    await chat.new(at=10)
    second = await chat.question("second", at=10)
    third = await chat.question("third", at=10)

    assert [await chat.history(one) for one in (first, second, third)] == [[], [], ["second"]]


async def test_another_answer_is_made_from_what_was_known_at_first_whatever_new_has_forgotten_since(
    chat: Chat,
) -> None:
    await chat.question("long ago", at=10)
    await chat.new(at=20)
    await chat.question("first", at=30)
    follow_up = await chat.question("and?", at=40)
    await chat.new(at=50)

    assert await chat.history(follow_up) == ["first"]


async def test_new_is_not_remembered_for_longer_than_what_it_forgets(chat: Chat) -> None:
    """In SQLite ids may begin anew, where everything was deleted."""
    for number in range(3):
        await chat.question(f"old {number}", at=10 + number)
    new = await chat.new(at=20)
    await chat.database.write(lambda session: session.execute(update(InboxRow).values(received_at=_LONG_AGO)))
    await chat.inbox.forget_old()
    first = await chat.question("first", at=30)

    assert first.id < new.id
    assert await chat.history(await chat.question("second", at=40)) == ["first"]


_LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
