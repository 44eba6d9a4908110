"""
One set of services for the whole process.

`langgraph dev` imports our graphs and our HTTP application side by side: both use what is opened here, so that
a model is never loaded twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

from app.errors import NotReady
from app.services import Services, open_services
from app.settings import Settings
from models.engine.requests import Observer


@dataclass(slots=True)
class _Shared:
    users: int = 0
    services: Services | None = None
    closing: AsyncExitStack = field(default_factory=AsyncExitStack)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


_shared: dict[Settings, _Shared] = {}


@asynccontextmanager
async def shared_services(settings: Settings, *, observer: Observer | None = None) -> AsyncIterator[Services]:
    """The process's services of these settings; the first user opens them, the last one closes them."""
    shared = _shared.setdefault(settings, _Shared())
    async with shared.lock:
        if shared.services is None:
            opening = open_services(settings, observer=observer)
            shared.services = await shared.closing.enter_async_context(opening)
        shared.users += 1
    try:
        yield shared.services
    finally:
        async with shared.lock:
            shared.users -= 1
            if shared.users == 0:
                shared.services = None
                await shared.closing.aclose()


def opened_services() -> Services:
    """
    What `shared_services` has opened.

    Raises:
        NotReady: they are still being opened, which in `langgraph dev` the HTTP application does.
    """
    opened = next((shared.services for shared in _shared.values() if shared.services), None)
    if opened is None:
        raise NotReady(
            "larkwise is still loading its model: try again in a few seconds "
            "(langgraph.json must name app.server:app as its http.app)"
        )
    return opened
