"""What must outlive a restart: answers, sessions, feedback, keys, jobs; SQLite by default, another database by URL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from alembic import command
from alembic.config import Config
from sqlalchemy import JSON, DateTime, ForeignKey, Index, String, Text, create_engine, event, func, select, text
from sqlalchemy.engine import URL, Connection, Engine, make_url
from sqlalchemy.exc import ArgumentError, IntegrityError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from app.finishing import unbroken
from app.turns import Turns
from chains.answers import Turn

T = TypeVar("T")
_MIGRATIONS = Path(__file__).parent / "migrations"
_SYNCHRONOUS = {"sqlite+aiosqlite": "sqlite", "postgresql+asyncpg": "postgresql+psycopg"}
_WRITERS = 4
"""Threads; of SQLite's connections one writes at a time."""
_READERS = 4
_MIGRATED_WITHIN_MS = 60_000
_MIGRATION_LOCK = 4_719_083
"""Any number, as long as nothing else in a PostgreSQL database takes it."""


class DatabaseUnavailable(Exception):
    """The database cannot be opened; the message names it without its password."""


class Base(DeclarativeBase):
    """The tables; migrations bring a database to them."""


def _now() -> datetime:
    return datetime.now(UTC)


class AnswerRow(Base):
    """An answer as it was given, whole."""

    __tablename__ = "answers"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    chain: Mapped[str] = mapped_column(String(32))
    caller: Mapped[str] = mapped_column(String(80))
    question: Mapped[str] = mapped_column(Text)
    output: Mapped[dict[str, Any]] = mapped_column(JSON)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), default=_now)


class SessionRow(Base):
    """A conversation; its id is the caller's own word, so it is known by both."""

    __tablename__ = "sessions"
    __table_args__ = (Index("sessions_by_caller", "caller", "chain", "name", unique=True),)

    id: Mapped[int] = mapped_column(primary_key=True)
    caller: Mapped[str] = mapped_column(String(80))
    chain: Mapped[str] = mapped_column(String(32))
    name: Mapped[str] = mapped_column(String(128))
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), default=_now)


class TurnRow(Base):
    """A question of a session, and its answer's text."""

    __tablename__ = "turns"

    id: Mapped[int] = mapped_column(primary_key=True)
    session_id: Mapped[int] = mapped_column(ForeignKey("sessions.id", ondelete="CASCADE"), index=True)
    question: Mapped[str] = mapped_column(Text)
    answer: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), default=_now)


class FeedbackRow(Base):
    """What a caller thinks of an answer; the last word counts."""

    __tablename__ = "feedback"
    __table_args__ = (Index("feedback_by_answer", "answer_id", "caller", unique=True),)

    id: Mapped[int] = mapped_column(primary_key=True)
    answer_id: Mapped[str] = mapped_column(ForeignKey("answers.id", ondelete="CASCADE"))
    caller: Mapped[str] = mapped_column(String(80))
    rating: Mapped[str] = mapped_column(String(8))
    comment: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), default=_now)


class ApiKeyRow(Base):
    """A key that callers show; of the key itself there is a hash only."""

    __tablename__ = "api_keys"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(64))
    key_hash: Mapped[str] = mapped_column(String(64), unique=True)
    rate_limit: Mapped[str | None] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), default=_now)
    revoked_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    last_used_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class JobRow(Base):
    """Files that were uploaded together and are to be indexed; see `app.jobs`."""

    __tablename__ = "jobs"
    __table_args__ = (Index("jobs_by_status", "status", "created_at"),)

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    collection: Mapped[str] = mapped_column(String(64), index=True)
    caller: Mapped[str] = mapped_column(String(80))
    status: Mapped[str] = mapped_column(String(16))
    files: Mapped[list[dict[str, Any]]] = mapped_column(JSON)
    labels: Mapped[dict[str, Any]] = mapped_column(JSON)
    done: Mapped[int] = mapped_column(default=0)
    total: Mapped[int]
    file: Mapped[str] = mapped_column(Text, default="")
    note: Mapped[str] = mapped_column(Text, default="")
    report: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    error: Mapped[str | None] = mapped_column(Text)
    crashes: Mapped[int] = mapped_column(default=0)
    losses: Mapped[int] = mapped_column(default=0)
    owner: Mapped[str | None] = mapped_column(String(64))
    lease_until: Mapped[float | None]
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), default=_now)
    started_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    finished_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


@dataclass(frozen=True, slots=True)
class Rated:
    """An answer, and what somebody who got it thinks of it."""

    answer_id: str
    question: str
    output: dict[str, Any]
    rating: str
    comment: str


class Database:
    """Open it with `open_database`; one for the whole process."""

    def __init__(self, engine: AsyncEngine, blocking: Engine) -> None:
        self._engine = engine
        self._blocking = blocking
        self._writers = ThreadPoolExecutor(_WRITERS, "database-writer")
        self._readers = ThreadPoolExecutor(_READERS, "database-reader")
        self._turns = Turns() if engine.dialect.name == "sqlite" else None
        self.session = async_sessionmaker(engine, expire_on_commit=False)

    @property
    def url(self) -> URL:
        return self._engine.url

    @unbroken
    async def write(
        self, work: Callable[[Session], T], *, urgent: bool = False, at_turn: Callable[[], None] = lambda: None
    ) -> T:
        """
        What `work` returns, when its transaction is on the disk; for whoever shares the database with many others.

        It is done in a thread, in one go: on a busy event loop each await between two statements takes milliseconds in
        which nobody else may write. Whoever is `urgent` goes before those who wait for their turn; `at_turn` is called
        on the event loop when the turn has come, just before the work.
        """
        async with self._turn(urgent=urgent):
            at_turn()
            return await asyncio.get_running_loop().run_in_executor(self._writers, self._written, work)

    async def read(self, work: Callable[[Session], T]) -> T:
        """What `work` returns, which has to be complete: in a thread, in one go, as `write`."""
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._read, work)

    def _written(self, work: Callable[[Session], T]) -> T:
        with Session(self._blocking, expire_on_commit=False) as session, session.begin():
            return work(session)

    def _read(self, work: Callable[[Session], T]) -> T:
        with Session(self._blocking) as session:
            return work(session)

    @asynccontextmanager
    async def _turn(self, *, urgent: bool) -> AsyncIterator[None]:
        """Where one connection may write at a time, the others wait here for it."""
        if self._turns is None:
            yield
        else:
            async with self._turns.turn(urgent=urgent):
                yield

    async def close(self) -> None:
        await self._engine.dispose()
        await asyncio.to_thread(self._close_blocking)

    def _close_blocking(self) -> None:
        self._readers.shutdown()
        self._writers.shutdown()
        self._blocking.dispose()

    async def ping(self) -> None:
        """Raises SQLAlchemyError where the database does not answer."""
        async with self._engine.connect() as connection:
            await connection.execute(text("SELECT 1"))

    async def save_answer(
        self, answer_id: str, *, chain: str, caller: str, question: str, output: dict[str, Any]
    ) -> None:
        async with self.session.begin() as session:
            session.add(AnswerRow(id=answer_id, chain=chain, caller=caller, question=question, output=output))

    async def answer(self, answer_id: str) -> AnswerRow | None:
        async with self.session() as session:
            return await session.get(AnswerRow, answer_id)

    async def history(self, *, caller: str, chain: str, session_id: str, turns: int) -> list[Turn]:
        """The last turns of a conversation, the oldest first; empty where there is none."""
        async with self.session() as session:
            rows: Sequence[TurnRow] = (
                await session.scalars(
                    select(TurnRow)
                    .join(SessionRow, SessionRow.id == TurnRow.session_id)
                    .where(SessionRow.caller == caller, SessionRow.chain == chain, SessionRow.name == session_id)
                    .order_by(TurnRow.id.desc())
                    .limit(turns)
                )
            ).all()
        return [{"question": row.question, "answer": row.answer} for row in reversed(rows)]

    async def save_turn(self, *, caller: str, chain: str, session_id: str, turn: Turn) -> None:
        await _again_if_beaten(lambda: self._save_turn(caller, chain, session_id, turn))

    async def _save_turn(self, caller: str, chain: str, session_id: str, turn: Turn) -> None:
        async with self.session.begin() as session:
            found = await session.scalar(
                select(SessionRow).where(
                    SessionRow.caller == caller, SessionRow.chain == chain, SessionRow.name == session_id
                )
            )
            if found is None:
                found = SessionRow(caller=caller, chain=chain, name=session_id)
                session.add(found)
                await session.flush()
            session.add(TurnRow(session_id=found.id, question=turn["question"], answer=turn["answer"]))

    async def save_feedback(self, answer_id: str, *, caller: str, rating: str, comment: str | None) -> None:
        """The same caller's earlier word on the same answer is replaced."""
        await _again_if_beaten(lambda: self._save_feedback(answer_id, caller, rating, comment))

    async def _save_feedback(self, answer_id: str, caller: str, rating: str, comment: str | None) -> None:
        def upsert(session: Session) -> None:
            found = session.scalar(
                select(FeedbackRow).where(FeedbackRow.answer_id == answer_id, FeedbackRow.caller == caller)
            )
            if found is None:
                found = FeedbackRow(answer_id=answer_id, caller=caller)
                session.add(found)
            found.rating, found.comment, found.created_at = rating, comment, _now()

        await self.write(upsert)

    async def feedback(self, answer_id: str) -> list[FeedbackRow]:
        async with self.session() as session:
            found = await session.scalars(select(FeedbackRow).where(FeedbackRow.answer_id == answer_id))
            return list(found.all())

    async def rated(self, rating: str) -> list[Rated]:
        """The answers with this rating, the oldest first; once for each caller who rated it so."""
        async with self.session() as session:
            found = await session.execute(
                select(AnswerRow, FeedbackRow)
                .join(FeedbackRow, FeedbackRow.answer_id == AnswerRow.id)
                .where(FeedbackRow.rating == rating)
                .order_by(AnswerRow.created_at, FeedbackRow.id)
            )
            return [
                Rated(answer.id, answer.question, answer.output, feedback.rating, feedback.comment or "")
                for answer, feedback in found
            ]


async def _again_if_beaten(write: Callable[[], Awaitable[None]]) -> None:
    """Somebody else may make the same row between our look and our write; the second look finds it."""
    try:
        await write()
    except IntegrityError:
        await write()


async def open_database(url: str) -> Database:
    """
    Connect, and bring the tables to the newest form.

    Raises:
        DatabaseUnavailable: it cannot be reached, or the URL is none.
    """
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise DatabaseUnavailable("LARKWISE_DATABASE_URL is not a URL that SQLAlchemy reads") from error
    try:
        await asyncio.to_thread(migrate, parsed)
        # in a thread: for a relative path SQLAlchemy asks for the working directory, which blocks
        engine = await asyncio.to_thread(create_async_engine, parsed, pool_pre_ping=_may_go_away(parsed))
        blocking = await asyncio.to_thread(open_blocking, parsed)
    except (SQLAlchemyError, OSError, ImportError) as error:
        shown = parsed.render_as_string(hide_password=True)
        reason = str(error).splitlines()[0]
        raise DatabaseUnavailable(
            f"the database {shown} cannot be opened ({reason}): check LARKWISE_DATABASE_URL"
        ) from error
    if parsed.get_backend_name() == "sqlite":
        event.listen(engine.sync_engine, "connect", _prepare_sqlite)
    return Database(engine, blocking)


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.execute("PRAGMA busy_timeout = 5000")
    cursor.close()


def open_blocking(url: URL) -> Engine:
    """For threads; whoever opens it disposes of it."""
    driver = _SYNCHRONOUS.get(url.drivername, url.drivername)
    engine = create_engine(url.set(drivername=driver), pool_pre_ping=_may_go_away(url))
    if url.get_backend_name() == "sqlite":
        event.listen(engine, "connect", _prepare_sqlite)
    return engine


def _may_go_away(url: URL) -> bool:
    """A server may be started again: a connection from before is asked whether it lives, and not given work to lose."""
    return url.get_backend_name() != "sqlite"


def migrate(url: URL, revision: str = "head") -> None:
    """
    Bring the tables to this form: all of it or nothing, and whoever else opens the database waits meanwhile.

    Alembic reads files and blocks, so it gets a thread and a synchronous driver.
    """
    if url.get_backend_name() == "sqlite" and url.database:
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    engine = open_blocking(url)
    if url.get_backend_name() == "sqlite":
        event.listen(engine, "connect", _leave_transactions_to_us)
        event.listen(engine, "begin", _begin_at_once)
    try:
        with engine.begin() as connection:
            if url.get_backend_name() == "postgresql":
                connection.execute(select(func.pg_advisory_xact_lock(_MIGRATION_LOCK)))
            config = Config()
            config.set_main_option("script_location", str(_MIGRATIONS))
            config.attributes["connection"] = connection
            command.upgrade(config, revision)
    finally:
        engine.dispose()


def _leave_transactions_to_us(connection: Any, _record: Any) -> None:
    # Python begins a transaction before rows are changed and not before tables are: a kill would leave half of them
    connection.isolation_level = None
    connection.execute(f"PRAGMA busy_timeout = {_MIGRATED_WITHIN_MS}")


def _begin_at_once(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")
