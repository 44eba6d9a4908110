"""Feishu's part of the database; migrations bring a database to it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, DateTime, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from app.database import Base


class InboxRow(Base):
    """
    An event that was accepted, and how far it has come.

    States: `waiting` nothing is settled; `answered` what will be said is settled and may not have arrived; `done` and
    `failed` it has ended, and `outcome` says how.
    """

    __tablename__ = "feishu_inbox"
    __table_args__ = (
        Index("feishu_inbox_by_state", "state", "session"),
        Index("feishu_inbox_by_session", "session", "id"),
        Index("feishu_inbox_by_reply", "reply_id"),
        Index("feishu_inbox_by_chat", "chat_id", "id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    event_id: Mapped[str] = mapped_column(String(128), unique=True)
    message_id: Mapped[str | None] = mapped_column(String(128), unique=True)
    """Of a message that somebody wrote: however often and under whichever event it comes, it is one."""
    kind: Mapped[str] = mapped_column(String(16))
    session: Mapped[str] = mapped_column(String(200))
    chat_id: Mapped[str] = mapped_column(String(128))
    person: Mapped[str] = mapped_column(String(128))
    created_ms: Mapped[int] = mapped_column(BigInteger)
    event: Mapped[dict[str, Any]] = mapped_column(JSON)
    state: Mapped[str] = mapped_column(String(16), default="waiting")
    outcome: Mapped[str] = mapped_column(String(200), default="")
    due_at: Mapped[float] = mapped_column(default=0.0)
    """Seconds since the epoch; not before then is it worked on."""
    attempts: Mapped[int] = mapped_column(default=0)
    """How often work on it was begun; whoever began the last attempt is the only one who may change the row."""
    pardoned: Mapped[int] = mapped_column(default=0)
    """Those of them that ended for a reason that is not the item's: Feishu was away, the service was stopped."""
    question: Mapped[str] = mapped_column(Text, default="")
    """As it was put to the chain."""
    said: Mapped[str] = mapped_column(Text, default="")
    """What is answered where it is no answer of the chain, or the collection that a file is offered to: settled before
    it is sent."""
    answers: Mapped[list[str]] = mapped_column(JSON, default=list)
    """Ids of the answers to it, the newest last."""
    form: Mapped[str] = mapped_column(String(16), default="")
    """`card`, `post` or `text`: as what the reply is sent; it is settled before it is sent."""
    card_id: Mapped[str | None] = mapped_column(String(128))
    reply_id: Mapped[str | None] = mapped_column(String(128))
    """The bot's message, where its id is known."""
    sequence: Mapped[int] = mapped_column(default=0)
    """The highest number that the card's changes may have had."""
    sending_at: Mapped[float | None]
    """Seconds since the epoch: when the reply was first sent under its present uuid, whether it arrived or not."""
    forgets: Mapped[bool] = mapped_column(default=False)
    """Of a `/new` that was carried out: what people wrote before it is no history any more."""
    received_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), default=lambda: datetime.now(UTC))


class SessionLeaseRow(Base):
    """Which process works on a conversation, and until when; of one that nobody works on there need not be any."""

    __tablename__ = "feishu_sessions"

    key: Mapped[str] = mapped_column(String(200), primary_key=True)
    owner: Mapped[str | None] = mapped_column(String(64), index=True)
    lease_until: Mapped[float] = mapped_column(default=0.0)


class ChatRow(Base):
    """Which collection a chat asks."""

    __tablename__ = "feishu_chats"

    chat_id: Mapped[str] = mapped_column(String(128), primary_key=True)
    collection: Mapped[str] = mapped_column(String(64))
