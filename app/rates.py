"""How many requests each caller may send: in memory, or in Redis where several processes share the counts."""

from __future__ import annotations

import logging
import math
import time
from typing import Any

from limits import parse
from limits.aio.storage import MemoryStorage, RedisStorage, Storage
from limits.aio.strategies import MovingWindowRateLimiter
from limits.errors import ConfigurationError, StorageError

logger = logging.getLogger(__name__)
_REDIS = ("redis://", "rediss://", "redis+unix://")
_REDIS_OPTIONS: dict[str, Any] = {"socket_timeout": 2.0, "socket_connect_timeout": 2.0}


class TooManyRequests(Exception):
    """The caller has sent as many requests as it may; `retry_after_s` says when the next one is welcome."""

    def __init__(self, rate: str, *, retry_after_s: float) -> None:
        super().__init__(f"your limit of {rate} is reached; try again in {math.ceil(retry_after_s)} s")
        self.retry_after_s = retry_after_s


class RatesUnavailable(Exception):
    """Redis was asked for and cannot be used."""


def checked_rate(rate: str) -> str:
    """
    The rate as it was written.

    Raises:
        ValueError: it is none.
    """
    try:
        parse(rate)
    except ValueError as error:
        raise ValueError(f"{rate!r} is no rate: write for example 60/minute, 5/second or 1000/day") from error
    return rate


class Rates:
    """
    Counts requests in a moving window, a window for each caller.

    Where Redis does not answer, requests pass and the log says so: the limit must not take the service down.
    """

    def __init__(self, storage: Storage) -> None:
        self._limiter = MovingWindowRateLimiter(storage)

    async def count(self, caller: str, rate: str) -> None:
        """
        Raises:
            TooManyRequests: this request is one too many, and is not counted.
        """
        item = parse(rate)
        try:
            if await self._limiter.hit(item, caller):
                return
            window = await self._limiter.get_window_stats(item, caller)
        except StorageError as error:
            logger.warning("a request is not counted, since Redis does not answer: %s", error)
            return
        raise TooManyRequests(rate, retry_after_s=max(1.0, window.reset_time - time.time()))


def open_rates(redis_url: str) -> Rates:
    """
    Counts in Redis, or in this process where there is no URL.

    Raises:
        RatesUnavailable: the package `redis` is missing, or the URL is none.
    """
    if not redis_url:
        return Rates(MemoryStorage())
    if not redis_url.startswith(_REDIS):
        raise RatesUnavailable("LARKWISE_REDIS_URL should look like redis://HOST:6379/0")
    try:
        return Rates(RedisStorage(redis_url, wrap_exceptions=True, implementation="redispy", **_REDIS_OPTIONS))
    except ConfigurationError as error:
        raise RatesUnavailable("LARKWISE_REDIS_URL needs a package: pip install 'larkwise[redis]'") from error
