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

from app.services import Services, open_services
from app.settings import Settings


@dataclass(slots=True)
class _Shared:
    users: int = 0
    services: Services | None = None
    closing: AsyncExitStack = field(default_factory=AsyncExitStack)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


_shared = _Shared()


@asynccontextmanager
async def shared_services(settings: Settings) -> AsyncIterator[Services]:
    """The process's services; the first user opens them, the last one closes them. Settings of the first count."""
    async with _shared.lock:
        if _shared.services is None:
            _shared.services = await _shared.closing.enter_async_context(open_services(settings))
        _shared.users += 1
    try:
        yield _shared.services
    finally:
        async with _shared.lock:
            _shared.users -= 1
            if _shared.users == 0:
                _shared.services = None
                await _shared.closing.aclose()


def opened_services() -> Services:
    """
    What `shared_services` has opened.

    Raises:
        RuntimeError: nobody has opened them; in `langgraph dev` the HTTP application does.
    """
    if _shared.services is None:
        raise RuntimeError("the services are not open: langgraph.json must name app.server:app as its http.app")
    return _shared.services
