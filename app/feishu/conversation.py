"""What a conversation has been about, and which collection it asks."""

from __future__ import annotations

from typing import Any

from sqlalchemy import or_, select, tuple_, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from app.database import AnswerRow, Database
from app.feishu.inbox import Item
from app.feishu.tables import ChatRow, InboxRow
from chains.answers import Turn
from chains.language import Language, language_of

DEFAULT = "default"
_TURNS = 6
_LOOKED_AT = 20
"""Some of them were not answered."""


class Conversations:
    """Of all chats, in the service's database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def history(self, item: Item) -> list[Turn]:
        """The turns before the item's, the oldest first."""
        return await self._database.read(lambda session: _history(session, item))

    async def last_answer(self, item: Item) -> AnswerRow | None:
        """The newest of the conversation."""

        def newest(session: Session) -> AnswerRow | None:
            rows = _asked_before(session, item)
            return session.get(AnswerRow, rows[0].answers[-1]) if rows else None

        return await self._database.read(newest)

    async def forget(self, item: Item) -> None:
        """For what is written after the item nothing before it is history."""
        statement = update(InboxRow).where(InboxRow.id == item.id).values(forgets=True)
        await self._database.write(lambda session: session.execute(statement))

    async def collection(self, chat_id: str) -> str:
        """Which one the chat asks."""
        row = await self._database.read(lambda session: session.get(ChatRow, chat_id))
        return row.collection if row else DEFAULT

    async def language(self, item: Item) -> Language | None:
        """Of the person's last question in the item's chat, else of anybody's; None where there is none yet."""
        asked = (
            select(InboxRow.question)
            .where(InboxRow.chat_id == item.chat_id, InboxRow.question != "")
            .order_by(InboxRow.id.desc())
            .limit(1)
        )
        own = asked.where(InboxRow.person == item.person)
        question = await self._database.read(lambda session: session.scalar(own) or session.scalar(asked))
        return language_of(question) if question else None

    async def choose(self, chat_id: str, collection: str) -> None:
        values = {"chat_id": chat_id, "collection": collection}

        def upsert(session: Session) -> None:
            insert: Any = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
            statement = insert(ChatRow).values(values)
            session.execute(
                statement.on_conflict_do_update(index_elements=["chat_id"], set_={"collection": collection})
            )

        await self._database.write(upsert)


def _history(session: Session, item: Item) -> list[Turn]:
    rows = _asked_before(session, item)[:_TURNS]
    newest = [row.answers[-1] for row in rows]
    answers = {row.id: row for row in session.scalars(select(AnswerRow).where(AnswerRow.id.in_(newest)))}
    known = [(row.question, answers.get(row.answers[-1])) for row in reversed(rows)]
    return [{"question": asked, "answer": str(answer.output["answer"])} for asked, answer in known if answer]


def _asked_before(session: Session, item: Item) -> list[InboxRow]:
    """What was answered, the newest first: of the conversation, and the message that it hangs on."""
    # in the order in which people wrote, whenever and however often it is asked for
    written = tuple_(InboxRow.created_ms, InboxRow.id)
    newest_first = InboxRow.created_ms.desc(), InboxRow.id.desc()
    before = written < (item.created_ms, item.id)
    new = (
        select(InboxRow.created_ms, InboxRow.id)
        .where(InboxRow.session == item.session, InboxRow.forgets, before)
        .order_by(*newest_first)
        .limit(1)
    )
    forgotten = session.execute(new).one_or_none()
    root = str(item.event.get("root_id") or "")
    here = or_(InboxRow.session == item.session, InboxRow.message_id == root)
    query = (
        select(InboxRow)
        .where(here, before, *([written > tuple(forgotten)] if forgotten else []))
        .where(InboxRow.kind == "message", InboxRow.question != "")
        .order_by(*newest_first)
        .limit(_LOOKED_AT)
    )
    return [row for row in session.scalars(query) if row.answers]
