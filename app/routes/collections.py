"""/collections: the sets of documents."""

from __future__ import annotations

import asyncio
from urllib.parse import quote

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool

from app.dependencies import EditorOf, ServicesOf
from app.errors import RESPONSES, responses
from app.finishing import to_the_end
from app.jobs import JobConflict
from app.services import Services
from app.worker import put_away
from ingest.collections import CollectionFacts, CollectionSet
from ingest.errors import CollectionError, CollectionExists

router = APIRouter(tags=["collections"], responses=RESPONSES | responses(403, 409))


class CollectionRequest(BaseModel):
    """A collection that is to be made."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"name": "handbook"}})

    name: str = Field(description="1 to 64 letters, digits, '-' or '_'")


class CollectionsSeen(BaseModel):
    """`unusable` says of each collection that cannot be used what is wrong with it."""

    collections: list[CollectionFacts]
    unusable: dict[str, str]


class Deleted(BaseModel):
    """What is no longer there."""

    deleted: str


@router.get("/collections")
def list_collections(services: ServicesOf) -> CollectionsSeen:
    """Every collection with its size."""
    usable, unusable = [], {}
    for name in services.collections.names():
        try:
            usable.append(services.collections.describe(name))
        except CollectionError as error:
            unusable[name] = str(error)
    return CollectionsSeen(collections=usable, unusable=unusable)


@router.post("/collections", status_code=201)
def create_collection(
    body: CollectionRequest, request: Request, response: Response, services: ServicesOf, _: EditorOf
) -> CollectionFacts:
    """An empty one; an upload into a collection that is not there makes it, too."""
    made = _made(services.collections, body.name)
    response.headers["Location"] = link(request, f"/collections/{body.name}")
    return made


@router.get("/collections/{name}")
def describe_collection(name: str, services: ServicesOf) -> CollectionFacts:
    """Its manifest: model, splitter, counts, generation, size."""
    return services.collections.describe(name)


@router.delete("/collections/{name}")
async def delete_collection(name: str, services: ServicesOf, _: EditorOf) -> Deleted:
    """With its documents and their originals; uploads that wait for it are cancelled."""
    await _cancel_jobs(name, services)
    await run_in_threadpool(services.collections.delete, name)
    await run_in_threadpool(services.originals.remove_collection, name)
    return Deleted(deleted=name)


async def _cancel_jobs(collection: str, services: Services) -> None:
    if not await run_in_threadpool(services.collections.exists, collection):
        return
    for job in await services.jobs.unfinished(collection):
        if job.status == "running":
            raise JobConflict(f"job {job.id} is writing to {collection!r}: wait for its end, and try again")
        await services.jobs.cancel(job.id)
        await to_the_end(asyncio.to_thread(put_away, services.settings, services.collections, job))


def _made(collections: CollectionSet, name: str) -> CollectionFacts:
    if collections.exists(name):
        raise CollectionExists(name)
    collections.create(name)
    return collections.describe(name)


def link(request: Request, path: str) -> str:
    """A path of ours as the client sees it, who may be before a proxy."""
    return str(request.scope.get("root_path", "")).rstrip("/") + quote(path)
