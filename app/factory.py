"""From settings to a FastAPI application."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware
from fastapi.middleware.gzip import GZipMiddleware
from fastapi_offline import FastAPIOffline

from app import errors, serving
from app.conversations import remembering
from app.dependencies import services_of
from app.observability import RequestLog
from app.routes import feedback, generate, health
from app.services import Services, chain_specs
from app.settings import Settings
from app.shared import shared_services
from app.version import VERSION

_GZIP_FROM = 1000
"""Bytes; smaller answers grow when they are packed."""
_DESCRIPTION = (
    "Answers questions from your own documents with a model on this machine. "
    'Errors are `{"error": {"code", "message", "request_id"}}`.'
)


def create_app(settings: Settings, *, services: Services | None = None) -> FastAPI:
    """
    The application with all its doors; without `services` it opens its own when it starts, and closes them.

    Raises:
        InvalidChain: a chain of the settings or of a package cannot be used.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        if services is not None:
            app.state.services = services
            yield
        else:
            async with shared_services(settings) as opened:
                app.state.services = opened
                yield
        app.state.services = None

    app = FastAPIOffline(
        title="larkwise",
        version=VERSION,
        description=_DESCRIPTION,
        lifespan=lifespan,
        root_path=settings.root_path,
    )
    app.state.specs = chain_specs(settings)
    errors.install(app)
    for router in (health.router, generate.router, feedback.router):
        app.include_router(router)
    for spec in app.state.specs.values():
        chain = remembering(spec, lambda: services_of(app))
        serving.mount(app, spec, chain, lambda: services_of(app))
    app.add_middleware(GZipMiddleware, minimum_size=_GZIP_FROM)
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware, allow_origins=list(settings.cors_origins), allow_methods=["*"], allow_headers=["*"]
        )
    app.add_middleware(RequestLog)
    return app
