"""Is it there, is it alive, can it answer."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Request
from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool

from app.dependencies import services_of
from app.errors import RESPONSES, NotReady
from app.version import VERSION
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
    loaded = getattr(app.state, "services", None) is not None
    return {"status": "healthy", "model_loaded": loaded, "version": VERSION}


@router.get("/health/live")
async def live() -> dict[str, str]:
    """The process answers."""
    return {"status": "alive"}


@router.get("/health/ready")
async def ready(app: AppOf) -> dict[str, Any]:
    """Model, database and collections answer; 503 until they do."""
    services = services_of(app)
    try:
        await services.database.ping()
        names = await run_in_threadpool(services.collections.names)
        for name in names:
            await run_in_threadpool(services.collections.open(name).count)
    except (SQLAlchemyError, CollectionError) as error:
        raise NotReady(f"not ready: {error}") from error
    if isinstance(services.model, LocalChatModel) and not services.model.is_alive():
        raise NotReady("not ready: the model's engine has ended; restart larkwise")
    return {"status": "ready", "model_loaded": True, "collections": names}
