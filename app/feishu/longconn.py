"""Events over a connection that we open, for services that Feishu cannot reach: in a thread of its own, for ever."""

from __future__ import annotations

import asyncio
import logging
import random
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from app.feishu.credentials import Credentials
from app.feishu.errors import Misconfigured, PlatformUnavailable
from app.feishu.longconn_events import Inlet
from app.feishu.receiving import Receiver

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Waits:
    """Seconds between two tries: twice as many each time, up to the longest; `refused_s` where Feishu says no."""

    first_s: float = 1
    longest_s: float = 60
    refused_s: float = 120

    def after(self, failures: int) -> float:
        """So many have gone before; a part of it is chance, so that many do not come back at the same moment."""
        longest_s = min(self.longest_s, self.first_s * float(2 ** min(failures, 16)))
        return longest_s * random.uniform(0.5, 1)  # noqa: S311


class LongConnection:
    """
    Hears Feishu's events, and has `receiver` take them on `loop`.

    An event is acknowledged when `receive` has returned, and only if that was within `receive_timeout_s`; otherwise
    Feishu sends it again. When nothing is heard for `silence_s` (Feishu's answers to pings included), the connection is
    opened anew. `counted` is told the outcome of each event, `accepted`, `not_authentic` or `unavailable`, in the
    connection's thread.
    """

    def __init__(
        self,
        credentials: Credentials,
        receiver: Receiver,
        loop: asyncio.AbstractEventLoop,
        *,
        counted: Callable[[str], None],
        silence_s: float = 90.0,
        receive_timeout_s: float = 2.5,
        endpoint_timeout_s: float = 10.0,
        waits: Waits | None = None,
    ) -> None:
        self._credentials = credentials
        self._inlet = Inlet(receiver, loop, counted, credentials.app_id, receive_timeout_s)
        self._silence_s = silence_s
        self._endpoint_timeout_s = endpoint_timeout_s
        self._waits = waits or Waits()
        self._stopping = asyncio.Event()
        self._started: tuple[threading.Thread, asyncio.AbstractEventLoop] | None = None
        self._refusal = ""
        self.is_connected = False

    def start(self) -> None:
        """It is connected a few seconds later, if it can be: `is_connected` says it. To be called once."""
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=self._run, args=(loop,), name="feishu-long-connection", daemon=True)
        self._started = thread, loop
        thread.start()

    def stop(self) -> None:
        """Acknowledge what has been received, close the connection and end the thread, which takes up to seconds."""
        if self._started is None:
            return
        thread, loop = self._started
        with suppress(RuntimeError):  # the thread may have ended by itself
            loop.call_soon_threadsafe(self._stopping.set)
        thread.join()

    def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        try:
            with asyncio.Runner(loop_factory=lambda: loop) as runner:
                runner.run(self._until_stopped())
        except Exception:  # the top of a thread: nobody else would say it
            logger.exception("the long connection to Feishu has failed for good: no events come until a restart")

    async def _until_stopped(self) -> None:
        keeping = asyncio.create_task(self._keep_connected())
        stopping = asyncio.create_task(self._stopping.wait())
        await asyncio.wait({keeping, stopping}, return_when=asyncio.FIRST_COMPLETED)
        for task in (keeping, stopping):
            task.cancel()
        await asyncio.wait({keeping, stopping})
        if not keeping.cancelled():
            keeping.result()

    async def _keep_connected(self) -> None:
        from app.feishu.longconn_client import keep_quiet  # seconds and 100 MB, so not before it is needed

        keep_quiet()
        failures = 0
        while True:
            began = time.monotonic()
            wait_s = await self._connect(failures)
            # a connection that lasted was no failure
            failures = 0 if time.monotonic() - began > self._waits.longest_s else failures + 1
            await asyncio.sleep(wait_s)

    async def _connect(self, failures: int) -> float:
        """For as long as it lasts; then the seconds to wait."""
        from app.feishu.longconn_client import Connection

        connection = Connection(
            self._credentials,
            self._inlet.take,
            silence_s=self._silence_s,
            endpoint_timeout_s=self._endpoint_timeout_s,
        )
        wait_s = self._waits.after(failures)
        try:
            await connection.run(self._connected)
        except Misconfigured as error:
            self._say_once(str(error))
            return self._waits.refused_s
        except PlatformUnavailable as error:
            logger.warning("the long connection to Feishu: %s; next try in %.1f s", error, wait_s)
        except Exception:  # an error of ours, or of lark-oapi, must not end the connection for ever
            logger.exception("the long connection to Feishu has failed; next try in %.1f s", wait_s)
        finally:
            self.is_connected = False
        return wait_s

    def _connected(self) -> None:
        self.is_connected = True
        self._refusal = ""
        logger.info("the long connection to %s is open", self._credentials.domain)

    def _say_once(self, refusal: str) -> None:
        if refusal != self._refusal:
            logger.error("%s; trying again every %.0f s", refusal, self._waits.refused_s)
        self._refusal = refusal
