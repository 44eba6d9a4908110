"""/jobs: what becomes of uploads."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field

from app.dependencies import EditorOf, ServicesOf
from app.errors import RESPONSES, ShuttingDown, responses
from app.finishing import to_the_end
from app.jobs import Job, Jobs, Status
from app.routes.collections import Deleted, link
from app.streaming import Event, as_event, event_stream
from app.worker import put_away

router = APIRouter(tags=["jobs"], responses=RESPONSES | responses(403, 409))
_EVENTS: dict[int | str, dict[str, Any]] = {200: {"content": {"text/event-stream": {}}}}
_LOOK_EVERY_S = 0.3


class TakenFile(BaseModel):
    """A file that will be read; `size` in bytes."""

    name: str
    size: int


class RefusedFile(BaseModel):
    """A file that was not taken, and why."""

    name: str
    error: str


class ProgressSeen(BaseModel):
    """Documents; `note` says why the job waits, where it does."""

    done: int
    total: int
    file: str
    note: str


class Reason(BaseModel):
    """A document that did not go in, and why."""

    path: str
    reason: str


class ReportSeen(BaseModel):
    """What became of each file."""

    collection: str
    added: list[str]
    changed: list[str]
    unchanged: list[str]
    renamed: list[str]
    duplicates: list[str]
    missing: list[str]
    removed: list[str]
    kept_back: str
    failed: list[Reason]
    skipped: list[Reason]
    chunks_written: int
    seconds: float


class JobSeen(BaseModel):
    """`report` is there when it is done, `error` when it has failed as a whole."""

    job_id: str
    collection: str
    status: Status
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    progress: ProgressSeen
    files: list[TakenFile | RefusedFile]
    report: ReportSeen | None
    error: str | None
    links: dict[str, str] = Field(description="`job`, `events`")


class JobsSeen(BaseModel):
    """The newest first."""

    jobs: list[JobSeen]


@router.get("/jobs")
async def list_jobs(
    request: Request,
    services: ServicesOf,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    collection: Annotated[str | None, Query(max_length=64)] = None,
) -> JobsSeen:
    """The latest, of one collection or of all."""
    found = await services.jobs.latest(limit=limit, collection=collection)
    return JobsSeen(jobs=[seen(job, request) for job in found])


@router.get("/jobs/{job_id}")
async def get_job(job_id: str, request: Request, services: ServicesOf) -> JobSeen:
    """How far it is, and at its end what became of each file."""
    return seen(await services.jobs.get(job_id), request)


@router.get("/jobs/{job_id}/events", response_class=Response, responses=_EVENTS)
async def follow_job(job_id: str, request: Request, services: ServicesOf) -> Response:
    """
    Server-sent events: `progress` when something changes, and at the end one `end` with the whole job.

    Who comes late gets the state as it is, and then the rest.
    """
    return await event_stream(_events(job_id, services.jobs, request), request.scope)


@router.delete("/jobs/{job_id}")
async def cancel_job(job_id: str, services: ServicesOf, _: EditorOf) -> Deleted:
    """Only of a job that waits; what it was to bring is forgotten."""
    job = await services.jobs.cancel(job_id)
    await to_the_end(asyncio.to_thread(put_away, services.settings, services.collections, job))
    return Deleted(deleted=job_id)


async def _events(job_id: str, jobs: Jobs, request: Request) -> AsyncIterator[Event]:
    before: dict[str, Any] = {}
    while not (job := await jobs.get(job_id)).has_ended:
        if request.app.state.draining.has_begun:
            raise ShuttingDown("larkwise is being stopped: the job goes on when it is back")
        state = _state(job)
        if state != before:
            before = state
            yield {"event": "progress"} | as_event(state)
        await asyncio.sleep(_LOOK_EVERY_S)
    yield {"event": "end"} | as_event(seen(job, request).model_dump(mode="json"))


def _state(job: Job) -> dict[str, Any]:
    return {"status": job.status, **_progress(job).model_dump()}


def _progress(job: Job) -> ProgressSeen:
    now = job.progress
    return ProgressSeen(done=now.done, total=now.total, file=now.file, note=now.note)


def seen(job: Job, request: Request) -> JobSeen:
    """As the client sees it."""
    return JobSeen(
        job_id=job.id,
        collection=job.collection,
        status=job.status,
        created_at=job.created_at,
        started_at=job.started_at,
        finished_at=job.finished_at,
        progress=_progress(job),
        files=[RefusedFile(**file) if "error" in file else TakenFile(**file) for file in job.files],
        report=ReportSeen(**job.report) if job.report else None,
        error=job.error,
        links=links(job.id, request),
    )


def links(job_id: str, request: Request) -> dict[str, str]:
    """Where to look for what becomes of it."""
    return {"job": link(request, f"/jobs/{job_id}"), "events": link(request, f"/jobs/{job_id}/events")}
