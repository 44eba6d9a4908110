"""Trouble on purpose."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Literal

from tests.app.feishu.platform.calls import Call, Refused, Reply, refused

GATEWAY = "<html>\r\n<head><title>{0}</title></head>\r\n<body><center><h1>{0}</h1></center></body>\r\n</html>"


@dataclass(frozen=True, slots=True)
class Trouble:
    """
    What happens to a call.

    `answer` is given instead of doing it; `drops` closes the connection without an answer; `after` lets it be done
    first, so that only the answer is lost; `delay_s` is waited before doing it, or before its answer with `after`.
    """

    answer: Reply | None = None
    drops: bool = False
    after: bool = False
    delay_s: float = 0.0

    @staticmethod
    def error(code: int, msg: str = "something is wrong", *, http: int = 400) -> Trouble:
        """An error of the API."""
        return Trouble(answer=refused(Refused(code, msg, http=http)))

    @staticmethod
    def http(status: int = 502, body: str | None = None, *, after: bool = False) -> Trouble:
        """An HTML page of some gateway."""
        page = body if body is not None else GATEWAY.format(f"{status} Bad Gateway")
        return Trouble(answer=Reply(status, page.encode(), {"Content-Type": "text/html"}), after=after)

    @staticmethod
    def rate_limited(reset_s: int = 1, *, http: Literal[400, 429] = 429) -> Trouble:
        """Too many calls; the header says after how many seconds there is room."""
        headers = {"x-ogw-ratelimit-limit": "100", "x-ogw-ratelimit-reset": str(reset_s)}
        return Trouble(answer=refused(Refused(99991400, "request trigger frequency limit", http=http, headers=headers)))

    @staticmethod
    def delay(seconds: float) -> Trouble:
        """It takes a while until it is begun."""
        return Trouble(delay_s=seconds)

    @staticmethod
    def late(seconds: float) -> Trouble:
        """It is done at once, and answered after a while."""
        return Trouble(delay_s=seconds, after=True)

    @staticmethod
    def drop() -> Trouble:
        return Trouble(drops=True)

    @staticmethod
    def drop_after() -> Trouble:
        """It is done, and the connection closed without an answer."""
        return Trouble(drops=True, after=True)


@dataclass(slots=True)
class Planned:
    """What will go wrong; `left` tells how often still, `hits` are the calls that had it."""

    path_contains: str
    trouble: Trouble
    left: int
    method: str | None = None
    skip: int = 0
    hits: list[Call] = field(default_factory=list)


class Troubles:
    def __init__(self) -> None:
        self._planned: list[Planned] = []
        self._lock = threading.Lock()

    def plan(self, planned: Planned) -> Planned:
        with self._lock:
            self._planned.append(planned)
        return planned

    def clear(self) -> None:
        with self._lock:
            self._planned.clear()

    def of(self, call: Call) -> Trouble:
        """The oldest that is planned for it, if any."""
        with self._lock:
            for one in self._planned:
                if one.left < 1 or one.path_contains not in call.path or one.method not in (None, call.method):
                    continue
                if one.skip > 0:
                    one.skip -= 1
                    continue
                one.left -= 1
                one.hits.append(call)
                return one.trouble
        return Trouble()
