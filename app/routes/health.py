"""Is it there, is it alive, can it answer."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from contextlib import suppress
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Request, Response
from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool

from app.dependencies import services_of
from app.errors import RESPONSES, NotReady
from app.metrics import CONTENT_TYPE
from app.services import Services, engine_load
from app.version import VERSION
from ingest.collections import CollectionSet
from ingest.errors import CollectionError
from models.chat import LocalChatModel

router = APIRouter(tags=["health"], responses=RESPONSES)


def _app(request: Request) -> FastAPI:
    app: FastAPI = request.app
    return app


AppOf = Annotated[FastAPI, Depends(_app)]


@router.get("/")
async def root(app: AppOf) -> dict[str, Any]:
    """Name, version, and where to go."""
    links = {"docs": "/docs", "redoc": "/redoc", "health": "/health"}
    playgrounds = {name: f"/{name}/playground/" for name in app.state.specs}
    return {"name": "larkwise", "version": VERSION, "links": links | {"playgrounds": playgrounds}}


@router.get("/health")
async def health(app: AppOf) -> dict[str, Any]:
    """Always 200 while the process answers; `model_loaded` says whether it can do more."""
    loaded = app.state.services is not None
    return {"status": "healthy", "model_loaded": loaded, "version": VERSION}


@router.get("/health/live")
async def live() -> dict[str, str]:
    """The process answers."""
    return {"status": "alive"}


@router.get("/health/ready")
async def ready(app: AppOf) -> dict[str, Any]:
    """
    Model and database answer, and a collection if there are any; 503 until they do.

    `unusable` names the collections that cannot be used, and why: the others are answered from.
    """
    services = services_of(app)
    if app.state.draining.has_begun:
        raise NotReady("not ready: larkwise is being stopped")
    try:
        await services.database.ping()
    except SQLAlchemyError as error:
        raise NotReady(f"not ready: {error}") from error
    usable, unusable = await run_in_threadpool(_checked, services.collections)
    if unusable and not usable:
        raise NotReady(f"not ready: {next(iter(unusable.values()))}")
    if isinstance(services.model, LocalChatModel) and not services.model.is_alive():
        raise NotReady("not ready: the model's engine has ended; restart larkwise")
    state = {"status": "ready", "model_loaded": True, "collections": usable, "unusable": unusable}
    load = engine_load(services.model)
    return state if load is None else state | {"engine": dataclasses.asdict(load)}


def _checked(collections: CollectionSet) -> tuple[list[str], dict[str, str]]:
    """Those that can be used, and what is wrong with the others."""
    usable, unusable = [], {}
    for name in collections.names():
        try:
            collections.open(name).check()
        except CollectionError as error:
            unusable[name] = str(error)
        else:
            usable.append(name)
    return usable, unusable


@router.get("/metrics", response_class=Response)
async def metrics(app: AppOf) -> Response:
    """For Prometheus."""
    services: Services | None = app.state.services
    jobs: Mapping[str, int] = {}
    if services is not None:
        with suppress(SQLAlchemyError):  # the other numbers are wanted all the more
            jobs = await services.jobs.counts()
    page = await run_in_threadpool(app.state.metrics.page, jobs)
    return Response(page, media_type=CONTENT_TYPE)
