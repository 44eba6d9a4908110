"""Rate limits, in memory and in Redis."""

from __future__ import annotations

from typing import Any

import pytest
from fakeredis import FakeAsyncRedis, FakeServer
from limits.aio.storage import RedisStorage

from app.rates import Rates, RatesUnavailable, TooManyRequests, checked_rate, open_rates


async def allowed(rates: Rates, caller: str, rate: str, times: int) -> int:
    """How many of so many requests pass."""
    passed = 0
    for _ in range(times):
        try:
            await rates.count(caller, rate)
            passed += 1
        except TooManyRequests:
            continue
    return passed


async def test_each_caller_has_a_window_of_its_own() -> None:
    rates = open_rates("")
    assert await allowed(rates, "anna", "3/hour", 5) == 3
    assert await allowed(rates, "ben", "3/hour", 5) == 3


async def test_who_is_refused_learns_when_to_come_again() -> None:
    rates = open_rates("")
    await rates.count("anna", "1/minute")
    with pytest.raises(TooManyRequests, match="1/minute") as raised:
        await rates.count("anna", "1/minute")
    assert 1 <= raised.value.retry_after_s <= 60


async def test_where_redis_does_not_answer_requests_pass_and_the_log_says_so(caplog: pytest.LogCaptureFixture) -> None:
    rates = open_rates("redis://127.0.0.1:1/0")
    assert await allowed(rates, "anna", "1/hour", 2) == 2
    assert "Redis does not answer" in caplog.text


@pytest.mark.parametrize("url", ["nonsense", "http://127.0.0.1", "memcached://x"])
def test_a_url_that_is_not_redis_is_named(url: str) -> None:
    with pytest.raises(RatesUnavailable, match="LARKWISE_REDIS_URL"):
        open_rates(url)


@pytest.mark.parametrize("rate", ["60/minute", "5 per second", "1000/day"])
def test_rates_are_written_as_people_say_them(rate: str) -> None:
    assert checked_rate(rate) == rate


@pytest.mark.parametrize("rate", ["often", "minute/60", "-1/minute", ""])
def test_other_rates_are_refused(rate: str) -> None:
    with pytest.raises(ValueError, match="is no rate"):
        checked_rate(rate)


async def test_in_redis_several_processes_share_the_counts() -> None:
    server = FakeServer()

    def rates() -> Rates:
        shared: Any = {"connection_pool": FakeAsyncRedis(server=server).connection_pool}
        return Rates(RedisStorage("redis://shared:6379", implementation="redispy", **shared))

    one, other = rates(), rates()
    assert await allowed(one, "anna", "3/hour", 2) == 2
    assert await allowed(other, "anna", "3/hour", 5) == 1
    assert await allowed(other, "ben", "3/hour", 5) == 3
