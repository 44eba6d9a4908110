"""The services are opened while the application already answers: it lives at once, and is ready later."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Literal

from fastapi import FastAPI

from app.database import DatabaseUnavailable, open_database
from app.feishu.opening import open_feishu
from app.keys import Keys, KeysMissing
from app.settings import Settings, SettingsError, is_loopback
from app.shared import shared_services
from app.supervisor import supervising
from chains.errors import ChainError
from ingest.errors import IngestError
from models.engine.requests import Observer
from models.errors import ModelError

logger = logging.getLogger(__name__)
EXPECTED = (SettingsError, DatabaseUnavailable, KeysMissing, IngestError, ModelError, ChainError)
"""What may hinder the start; their messages say what to do."""
Failed = Callable[[str], None]
"""Is told why the service cannot start."""


@asynccontextmanager
async def loading(
    app: FastAPI, settings: Settings, *, observer: Observer, failed: Failed | None = None
) -> AsyncIterator[None]:
    """
    Set `app.state.services` as soon as they are open, and close them at the end.

    Where they cannot be opened `failed` is told, and the process ends with exit code 1: nobody would come to load it
    a second time.
    """
    async with AsyncExitStack() as closing:
        opening = asyncio.create_task(_open(app, settings, closing, observer, failed or _log))
        try:
            yield
        except asyncio.CancelledError:
            if not (opening.done() and opening.result() == "failed"):
                raise
            # it is we who end the event loop, and why has been said
        finally:
            # a model that is half loaded cannot be closed, and its thread would outlive us anyway
            await asyncio.wait({opening})
            app.state.services = app.state.feishu = None


async def _open(
    app: FastAPI, settings: Settings, closing: AsyncExitStack, observer: Observer, failed: Failed
) -> Literal["opened", "failed"]:
    try:
        await check_doors(settings)
        warn_of_open_doors(settings)
        feishu = await closing.enter_async_context(open_feishu(settings, app.state.metrics.feishu))
        if feishu:
            # events are kept from now on; they are answered when the model is there
            app.state.feishu = feishu.door()
            await feishu.meet()
            await closing.enter_async_context(feishu.listening())
        services = await closing.enter_async_context(shared_services(settings, observer=observer))
        await closing.enter_async_context(supervising(services, is_over=lambda: app.state.draining.has_begun))
        if feishu:
            await closing.enter_async_context(feishu.working(services))
        app.state.services = services
    except EXPECTED as error:
        failed(str(error))
    except Exception:  # the top of a task: an error of ours must end the process as well
        logger.exception("larkwise could not be started")
    else:
        return "opened"
    # an exit that is raised in a callback ends the event loop, whoever runs it
    asyncio.get_running_loop().call_soon(sys.exit, 1)
    return "failed"


def _log(reason: str) -> None:
    logger.critical("%s", reason)


async def check_doors(settings: Settings) -> None:
    """
    Whether somebody may come in, and not everybody by mistake.

    Raises:
        KeysMissing: keys are required, and there is none.
        DatabaseUnavailable: it cannot be opened.
    """
    database = await open_database(settings.database)
    try:
        if settings.needs_keys and not await Keys(database).any_valid():
            raise KeysMissing(_why_keys(settings))
    finally:
        await database.close()


def warn_of_open_doors(settings: Settings) -> None:
    """In the log, where the settings let everybody in."""
    if settings.api_keys_required is False and not is_loopback(settings.host):
        logger.warning(
            "everybody who reaches %s may ask: LARKWISE_API_KEYS_REQUIRED=false asks nobody for a key", settings.host
        )


def _why_keys(settings: Settings) -> str:
    how = "there is none yet: `larkwise keys create NAME` makes one"
    if settings.api_keys_required:
        return f"LARKWISE_API_KEYS_REQUIRED is true, so requests need an API key, and {how}"
    return (
        f"{settings.host} can be reached by others, so requests need an API key, and {how} "
        "(or set LARKWISE_HOST=127.0.0.1, or LARKWISE_API_KEYS_REQUIRED=false where something else keeps the door)"
    )
