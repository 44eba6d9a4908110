"""
Jobs: files that were uploaded together, on their way into a collection. Their state is in the database.

    queued ──▶ running ──▶ done | failed
                │   ▲
                ▼   │
             interrupted: what ran it was stopped or has died; it goes on by itself

Whoever runs a job has it under a lease, and renews that while it works: two services on one database never run the
same job, and the job of a service that has died goes on when its lease is over.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, TypeAlias, cast, get_args

from sqlalchemy import CursorResult, DateTime, and_, delete, func, literal, or_, select, update
from sqlalchemy.sql import ColumnElement
from sqlalchemy.sql.dml import UpdateBase

from app.database import Database, JobRow

Status: TypeAlias = Literal["queued", "running", "done", "failed", "interrupted"]
ENDED: tuple[Status, ...] = ("done", "failed")
LEASE_S = 15.0
"""Longer than a busy machine keeps an event loop waiting; shorter than a person waits after a crash."""
MAX_CRASHES = 2
"""So often a worker may die over a job: once may be chance."""
MAX_LOSSES = 5
"""So often the whole service may, which has other reasons more often."""
_WAITING: tuple[Status, ...] = ("queued", "interrupted")
_KEPT = timedelta(days=30)
_RELEASED: dict[str, Any] = {"owner": None, "file": "", "note": ""}


class UnknownJob(Exception):
    """There is no such job."""

    def __init__(self, job_id: str) -> None:
        super().__init__(f"there is no job {job_id[:64]!r}: GET /jobs shows the latest")


class JobConflict(Exception):
    """The state of a job does not allow what is asked."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a job is: documents, the one that is next, and why it waits if it does."""

    done: int
    total: int
    file: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Job:
    """As it is in the database; `report` is an `ingest.documents.IngestReport` as JSON."""

    id: str
    collection: str
    status: Status
    files: list[dict[str, Any]]
    labels: dict[str, Any]
    progress: Progress
    report: dict[str, Any] | None
    error: str | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    losses: int = 0
    """How often a service has died while it ran."""

    @property
    def has_ended(self) -> bool:
        return self.status in ENDED


class Jobs:
    """The jobs of a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # for those who ask

    async def add(
        self, job_id: str, *, collection: str, caller: str, files: list[dict[str, Any]], labels: Mapping[str, Any]
    ) -> Job:
        total = sum("error" not in file for file in files)
        row = JobRow(
            id=job_id,
            collection=collection,
            caller=caller,
            status="queued",
            files=files,
            labels=dict(labels),
            total=total,
        )
        async with self._database.session.begin() as session:
            session.add(row)
            await session.flush()
            return _job(row)

    async def get(self, job_id: str) -> Job:
        """
        Raises:
            UnknownJob: there is none.
        """
        async with self._database.session() as session:
            row = await session.get(JobRow, job_id)
        if row is None:
            raise UnknownJob(job_id)
        return _job(row)

    async def latest(self, *, limit: int, collection: str | None = None) -> list[Job]:
        """The newest first."""
        query = select(JobRow).order_by(JobRow.created_at.desc(), JobRow.id).limit(limit)
        if collection is not None:
            query = query.where(JobRow.collection == collection)
        async with self._database.session() as session:
            return [_job(row) for row in await session.scalars(query)]

    async def counts(self) -> dict[str, int]:
        """How many there are of each status."""
        async with self._database.session() as session:
            rows = await session.execute(select(JobRow.status, func.count()).group_by(JobRow.status))
            found = {row[0]: row[1] for row in rows}
        return {status: found.get(status, 0) for status in get_args(Status)}

    async def cancel(self, job_id: str) -> Job:
        """
        Take a waiting job out of the queue for good.

        Raises:
            UnknownJob: there is none.
            JobConflict: it runs, or has ended.
        """
        job = await self.get(job_id)
        if not await self._changes(delete(JobRow).where(JobRow.id == job_id, JobRow.status.in_(_WAITING))):
            now = await self.get(job_id)
            raise JobConflict(
                f"job {job_id} has ended: there is nothing to cancel"
                if now.has_ended
                else f"job {job_id} runs already: wait for its end, and delete the documents"
            )
        return job

    async def unfinished(self, collection: str) -> list[Job]:
        """Those that will still change a collection."""
        query = select(JobRow).where(JobRow.collection == collection, JobRow.status.not_in(ENDED))
        async with self._database.session() as session:
            return [_job(row) for row in await session.scalars(query)]

    # for those who run them

    async def is_any_waiting(self) -> bool:
        """Also where only a lease has run out."""
        query = select(JobRow.id).where(or_(JobRow.status.in_(_WAITING), _lost())).limit(1)
        async with self._database.session() as session:
            return await session.scalar(query) is not None

    async def waiting_ids(self) -> set[str]:
        """Of all that have not ended."""
        async with self._database.session() as session:
            return set(await session.scalars(select(JobRow.id).where(JobRow.status.not_in(ENDED))))

    async def reclaim(self) -> None:
        """Jobs of services that have died wait again."""
        await self._changes(
            update(JobRow).where(_lost()).values(status="interrupted", owner=None, losses=JobRow.losses + 1)
        )

    async def claim(self, owner: str, here: Collection[str]) -> Job | None:
        """The oldest job that waits and is among `here`; from now on it is the owner's."""
        query = select(JobRow.id).where(JobRow.status.in_(_WAITING)).order_by(JobRow.created_at, JobRow.id)
        async with self._database.session() as session:
            waiting = (await session.scalars(query)).all()
        for job_id in (one for one in waiting if one in here):
            claimed = (
                update(JobRow)
                .where(JobRow.id == job_id, JobRow.status.in_(_WAITING))
                .values(
                    status="running",
                    owner=owner,
                    lease_until=time.time() + LEASE_S,
                    started_at=func.coalesce(JobRow.started_at, literal(datetime.now(UTC), DateTime(timezone=True))),
                )
            )
            if await self._changes(claimed):
                return await self.get(job_id)
        return None

    async def renew(self, job_id: str, owner: str, now: Progress) -> bool:
        """The owner still works on it; False where it is not the owner's any more."""
        state = {"done": now.done, "total": now.total, "file": now.file, "note": now.note}
        return await self._change_own(job_id, owner, state | {"lease_until": time.time() + LEASE_S})

    async def finish(self, job_id: str, owner: str, report: dict[str, Any]) -> bool:
        """It is done."""
        return await self._change_own(
            job_id, owner, _over() | {"status": "done", "report": report, "done": JobRow.total}
        )

    async def fail(self, job_id: str, owner: str, error: str) -> bool:
        """It cannot be done; `error` says why, and what to do."""
        return await self._change_own(job_id, owner, _over() | {"status": "failed", "error": error})

    async def interrupt(self, job_id: str, owner: str) -> bool:
        """It waits again."""
        return await self._change_own(job_id, owner, _RELEASED | {"status": "interrupted"})

    async def count_crash(self, job_id: str, owner: str) -> int:
        """A worker has died over it; how many that makes."""
        await self._change_own(job_id, owner, {"crashes": JobRow.crashes + 1})
        async with self._database.session() as session:
            return await session.scalar(select(JobRow.crashes).where(JobRow.id == job_id)) or 0

    async def forget_old(self) -> None:
        """Those that ended long ago."""
        await self._changes(
            delete(JobRow).where(JobRow.status.in_(ENDED), JobRow.finished_at < datetime.now(UTC) - _KEPT)
        )

    async def _change_own(self, job_id: str, owner: str, values: Mapping[str, Any]) -> bool:
        mine = and_(JobRow.id == job_id, JobRow.owner == owner, JobRow.status == "running")
        return await self._changes(update(JobRow).where(mine).values(values)) > 0

    async def _changes(self, statement: UpdateBase) -> int:
        async with self._database.session.begin() as session:
            result = await session.execute(statement, execution_options={"synchronize_session": False})
        return cast("CursorResult[Any]", result).rowcount


def new_job_id() -> str:
    return uuid.uuid4().hex


def _lost() -> ColumnElement[bool]:
    return and_(JobRow.status == "running", JobRow.lease_until < time.time())


def _over() -> dict[str, Any]:
    return _RELEASED | {"finished_at": datetime.now(UTC)}


def _job(row: JobRow) -> Job:
    return Job(
        id=row.id,
        collection=row.collection,
        status=cast("Status", row.status),
        files=row.files,
        labels=row.labels,
        progress=Progress(row.done, row.total, row.file, row.note),
        report=row.report,
        error=row.error,
        created_at=_utc(row.created_at),
        started_at=_utc(row.started_at) if row.started_at else None,
        finished_at=_utc(row.finished_at) if row.finished_at else None,
        losses=row.losses,
    )


def _utc(moment: datetime) -> datetime:
    """SQLite forgets the zone."""
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
