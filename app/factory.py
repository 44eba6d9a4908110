"""From settings to a FastAPI application."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware
from fastapi.middleware.gzip import GZipMiddleware
from fastapi_offline import FastAPIOffline
from starlette.middleware.gzip import DEFAULT_EXCLUDED_CONTENT_TYPES

from app import errors, serving
from app.conversations import remembering
from app.dependencies import services_of
from app.loading import Failed, loading
from app.metrics import Metrics
from app.observability import RequestLog
from app.rates import open_rates
from app.routes import collections, documents, feedback, feishu, feishu_originals, generate, health, jobs, openai, stop
from app.security import Doorkeeper
from app.services import Services, chain_specs, engine_load
from app.settings import Settings
from app.version import VERSION
from app.watching import Draining, Watch
from models.engine.requests import EngineLoad

_GZIP_FROM = 1000
"""Bytes; smaller answers grow when they are packed."""
_NEVER_GZIP = (*DEFAULT_EXCLUDED_CONTENT_TYPES, "application/octet-stream")
"""Originals too: they may be large, are often packed already, and can be fetched in ranges."""
_DESCRIPTION = (
    "Answers questions from your own documents with a model on this machine. "
    'Errors are `{"error": {"code", "message", "request_id"}}`.'
)
_ROUTERS = (
    health.router,
    generate.router,
    openai.router,
    stop.router,
    feedback.router,
    collections.router,
    documents.router,
    jobs.router,
    feishu.router,
    feishu_originals.router,
)


def create_app(settings: Settings, *, services: Services | None = None, failed: Failed | None = None) -> FastAPI:
    """
    The application with all its doors; without `services` it opens its own after it has started, and closes them.

    `failed` is told why they cannot be opened, before the process ends; by default the log is.

    Raises:
        InvalidChain: a chain of the settings or of a package cannot be used.
        RatesUnavailable: Redis is asked for and cannot be used.
    """
    draining = Draining(settings.shutdown_timeout_s)
    metrics = Metrics(is_ready=lambda: app.state.services is not None, load=lambda: _load(app))

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        with draining.on_signals():
            if services is not None:
                yield
                return
            async with loading(app, settings, observer=metrics, failed=failed):
                yield

    app = FastAPIOffline(
        title="larkwise",
        version=VERSION,
        description=_DESCRIPTION,
        lifespan=lifespan,
        root_path=settings.root_path,
    )
    app.state.services = services
    app.state.feishu = None
    app.state.feishu_is_expected = bool(settings.feishu_app_id) and settings.feishu_transport == "webhook"
    app.state.specs = chain_specs(settings)
    app.state.metrics = metrics
    app.state.draining = draining
    errors.install(app)
    for router in _ROUTERS:
        app.include_router(router)
    app.state.doors = {}
    for name, spec in app.state.specs.items():
        app.state.doors[name] = remembering(spec, lambda: services_of(app))
        serving.mount(app, spec, app.state.doors[name], lambda: services_of(app))
    _add_middleware(app, settings, draining, metrics)
    return app


def _add_middleware(app: FastAPI, settings: Settings, draining: Draining, metrics: Metrics) -> None:
    """The last one that is added is the first one that a request meets."""
    app.add_middleware(Watch, draining=draining)
    app.add_middleware(
        Doorkeeper, settings=settings, services=lambda: services_of(app), rates=open_rates(settings.redis_url)
    )
    app.add_middleware(GZipMiddleware, minimum_size=_GZIP_FROM, exclude_content_types=_NEVER_GZIP)
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware, allow_origins=list(settings.cors_origins), allow_methods=["*"], allow_headers=["*"]
        )
    app.add_middleware(RequestLog, answered=metrics.answered)
    app.add_middleware(feishu.StraightIn, is_over=lambda: draining.has_begun)


def _load(app: FastAPI) -> EngineLoad | None:
    services: Services | None = app.state.services
    return engine_load(services.model) if services else None
