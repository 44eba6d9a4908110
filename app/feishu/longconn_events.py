"""Events of the long connection, on their way from its thread to the receiver's."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from app.feishu.deliveries import checked, parsed
from app.feishu.errors import InboxUnavailable, NotAuthentic
from app.feishu.receiving import Receiver
from app.finishing import to_the_end

logger = logging.getLogger(__name__)
DONE = 200
AGAIN = 500
"""Feishu sends the event again; it does not know more codes."""


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """What Feishu is told of an event."""

    code: int
    answer: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Inlet:
    """
    Takes events on the connection's loop, and has them received on `loop`, the application's own.

    Nothing is signed here, and the Verification Token is empty: that we have called Feishu, over TLS, is what makes an
    event authentic. It has to be for our app all the same.
    """

    receiver: Receiver
    loop: asyncio.AbstractEventLoop
    counted: Callable[[str], None]
    app_id: str
    timeout_s: float

    async def take(self, data: bytes) -> Acknowledgement:
        """When it returns, the event is kept, or Feishu has to send it again."""
        try:
            payload = checked(parsed(data), app_id=self.app_id)
            answer = await self._received(payload)
        except NotAuthentic as error:
            logger.warning("refused an event of the long connection: %s", error)
            self.counted("not_authentic")
            return Acknowledgement(AGAIN)
        except (InboxUnavailable, TimeoutError) as error:
            why = error if str(error) else f"it took longer than {self.timeout_s:g} s"
            logger.error("an event of Feishu is not kept: %s", why)  # noqa: TRY400 - said where it is raised
            self.counted("unavailable")
            return Acknowledgement(AGAIN)
        except Exception:  # the top of a task: without an answer Feishu would wait, and then send it again all the same
            logger.exception("an event of Feishu is not kept")
            self.counted("unavailable")
            return Acknowledgement(AGAIN)
        self.counted("accepted")
        return Acknowledgement(DONE, answer)

    async def _received(self, payload: dict[str, Any]) -> dict[str, Any]:
        if self.loop.is_closed():
            raise InboxUnavailable("larkwise is being stopped")
        received = asyncio.run_coroutine_threadsafe(self._receive(payload), self.loop)
        async with asyncio.timeout(self.timeout_s):
            return await asyncio.wrap_future(received)

    async def _receive(self, payload: dict[str, Any]) -> dict[str, Any]:
        # whoever is slow may still end: when the event comes again, it is known
        return await to_the_end(self.receiver.receive(payload))
