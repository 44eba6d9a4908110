"""The database is brought to its newest form, whatever has happened to it before."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from sqlalchemy import Engine, event
from sqlalchemy.engine import make_url

from app.database import DatabaseUnavailable, migrate, open_database


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "larkwise.sqlite3"


async def opened_and_closed(file: Path) -> None:
    await (await open_database(f"sqlite+aiosqlite:///{file}")).close()


def schema(file: Path) -> list[str]:
    """What makes it, in order of the names."""
    with closing(sqlite3.connect(file)) as database:
        return [sql for (sql,) in database.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name")]


@contextmanager
def cut_off_at(words: str) -> Iterator[None]:
    """Whatever is done in a database ends before a statement with these words."""

    def cut(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        if words in statement:
            raise OSError("cut off")

    event.listen(Engine, "before_cursor_execute", cut)
    try:
        yield
    finally:
        event.remove(Engine, "before_cursor_execute", cut)


async def test_a_migration_that_is_cut_off_leaves_nothing_of_itself(file: Path) -> None:
    with cut_off_at("CREATE TABLE IF NOT EXISTS feishu_sessions"), pytest.raises(DatabaseUnavailable, match="cut off"):
        await opened_and_closed(file)

    assert schema(file) == []
    await opened_and_closed(file)


@pytest.mark.parametrize(
    ("made", "left"),
    [
        ("0001", "DELETE FROM alembic_version; DROP TABLE feedback; DROP TABLE turns; DROP TABLE sessions"),
        (
            "0004",
            "UPDATE alembic_version SET version_num = '0003'; DROP TABLE feishu_sessions; DROP TABLE feishu_chats",
        ),
    ],
)
async def test_what_a_kill_of_an_earlier_version_has_left_of_a_migration_is_finished(
    file: Path, tmp_path: Path, made: str, left: str
) -> None:
    migrate(make_url(f"sqlite+aiosqlite:///{file}"), made)
    with closing(sqlite3.connect(file)) as database:
        database.executescript(left)

    await opened_and_closed(file)

    await opened_and_closed(tmp_path / "another.sqlite3")
    assert schema(file) == schema(tmp_path / "another.sqlite3")


async def test_what_was_forgotten_in_a_conversation_of_an_earlier_version_stays_so(file: Path) -> None:
    migrate(make_url(f"sqlite+aiosqlite:///{file}"), "0004")
    with closing(sqlite3.connect(file)) as database:
        columns = [one[1] for one in database.execute("PRAGMA table_info(feishu_inbox)")]
        for number, session in ((1, "chat"), (2, "chat"), (3, "another")):
            values = {"id": number, "event_id": number, "message_id": number, "session": session}
            row = [values.get(column, 0) for column in columns]
            database.execute(f"INSERT INTO feishu_inbox VALUES ({', '.join('?' * len(row))})", row)
        database.execute("INSERT INTO feishu_sessions VALUES ('chat', NULL, 0, 2), ('another', NULL, 0, 2)")
        database.commit()

    await opened_and_closed(file)

    with closing(sqlite3.connect(file)) as database:
        assert database.execute("SELECT id FROM feishu_inbox WHERE forgets").fetchall() == [(2,)]


async def test_whoever_opens_a_new_database_waits_for_the_one_that_makes_it(file: Path, tmp_path: Path) -> None:
    whole = tmp_path / "whole.sqlite3"
    await opened_and_closed(whole)
    with closing(sqlite3.connect(whole)) as database, closing(sqlite3.connect(file, isolation_level=None)) as maker:
        maker.execute("PRAGMA journal_mode = WAL")
        maker.execute("BEGIN IMMEDIATE")
        waiting = asyncio.create_task(opened_and_closed(file))
        done, _ = await asyncio.wait({waiting}, timeout=0.3)
        assert not done
        for statement in database.iterdump():
            if statement not in ("BEGIN TRANSACTION;", "COMMIT;"):
                maker.execute(statement)
        maker.execute("COMMIT")

        await waiting
