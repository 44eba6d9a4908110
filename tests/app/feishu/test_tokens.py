"""One token for all who call, fetched once."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace

import pytest

from app.feishu.client import open_client
from app.feishu.errors import Misconfigured, PlatformUnavailable
from app.feishu.patience import Patience
from app.feishu.tokens import Token, Tokens
from tests.app.feishu.platform import Platform, Trouble
from tests.app.feishu.virtual_time import SharedTime, VirtualTime, settled

BOT = "/open-apis/bot/v3/info"


class Issuer:
    """Gives tokens t1, t2, … when it is let; `fails` instead if it is set."""

    def __init__(self) -> None:
        self.calls = 0
        self.life_s = 7200.0
        self.fails: Exception | None = None
        self.open = asyncio.Event()
        self.open.set()

    async def fetch(self) -> Token:
        self.calls += 1
        number = self.calls
        await self.open.wait()
        if self.fails is not None:
            raise self.fails
        return Token(f"t{number}", self.life_s)


@pytest.fixture
def time() -> VirtualTime:
    return VirtualTime()


@pytest.fixture
async def issuer() -> Issuer:
    return Issuer()


@pytest.fixture
def tokens(issuer: Issuer, time: VirtualTime) -> Tokens:
    return Tokens(issuer.fetch, clock=time.now)


async def test_all_who_wait_get_the_token_of_one_fetch(issuer: Issuer, tokens: Tokens) -> None:
    assert await asyncio.gather(*(tokens.get() for _ in range(20))) == ["t1"] * 20
    assert issuer.calls == 1


async def test_a_token_is_kept(issuer: Issuer, tokens: Tokens, time: VirtualTime) -> None:
    await tokens.get()
    time.advance(7200 - 31 * 60)

    assert await tokens.get() == "t1"
    await settled()
    assert issuer.calls == 1


async def test_whoever_is_cancelled_while_waiting_takes_the_token_from_nobody(issuer: Issuer, tokens: Tokens) -> None:
    issuer.open.clear()
    first, second, third = [asyncio.create_task(tokens.get()) for _ in range(3)]
    await settled()
    first.cancel()
    third.cancel()
    await asyncio.wait({first, third})
    issuer.open.set()

    assert await second == "t1"
    assert issuer.calls == 1


async def test_a_fetch_goes_on_where_everybody_has_left(issuer: Issuer, tokens: Tokens) -> None:
    issuer.open.clear()
    only = asyncio.create_task(tokens.get())
    await settled()
    only.cancel()
    await asyncio.wait({only})
    issuer.open.set()
    await settled()

    assert await tokens.get() == "t1"
    assert issuer.calls == 1


async def test_with_29_minutes_left_it_is_fetched_anew_while_others_go_on(
    issuer: Issuer, tokens: Tokens, time: VirtualTime
) -> None:
    await tokens.get()
    time.advance(7200 - 29 * 60)
    issuer.open.clear()

    assert [await tokens.get() for _ in range(5)] == ["t1"] * 5
    await settled()
    assert issuer.calls == 2
    issuer.open.set()
    await settled()
    assert await tokens.get() == "t2"
    assert issuer.calls == 2


async def test_an_old_token_serves_on_while_no_new_one_can_be_got(
    issuer: Issuer, tokens: Tokens, time: VirtualTime, caplog: pytest.LogCaptureFixture
) -> None:
    await tokens.get()
    time.advance(7200 - 29 * 60)
    issuer.fails = PlatformUnavailable("no answer")

    for _ in range(5):
        assert await tokens.get() == "t1"
        await settled()

    assert issuer.calls == 2  # not one for each call
    assert [record.message for record in caplog.records] == ["no new token: no answer"]
    time.advance(11)
    issuer.fails = None
    await tokens.get()
    await settled()
    assert await tokens.get() == "t3"


async def test_where_feishu_gives_the_same_token_again_it_is_not_asked_with_every_call(
    issuer: Issuer, tokens: Tokens, time: VirtualTime
) -> None:
    issuer.life_s = 29 * 60

    for _ in range(10):
        await tokens.get()
        await settled()
        time.advance(1)

    assert issuer.calls == 1


async def test_a_token_at_its_end_is_waited_for(issuer: Issuer, tokens: Tokens, time: VirtualTime) -> None:
    await tokens.get()
    time.advance(7200)

    assert await asyncio.gather(*(tokens.get() for _ in range(20))) == ["t2"] * 20


async def test_a_failure_reaches_all_who_wait_and_the_next_one_tries_again(issuer: Issuer, tokens: Tokens) -> None:
    issuer.fails = PlatformUnavailable("no answer")

    found = await asyncio.gather(*(tokens.get() for _ in range(3)), return_exceptions=True)

    assert [str(one) for one in found] == ["no answer"] * 3
    issuer.fails = None
    assert await tokens.get() == "t2"


async def test_a_token_that_many_find_bad_is_fetched_anew_once(issuer: Issuer, tokens: Tokens) -> None:
    bad = await tokens.get()

    async def again() -> str:
        tokens.drop(bad)
        return await tokens.get()

    assert await asyncio.gather(*(again() for _ in range(20))) == ["t2"] * 20
    tokens.drop(bad)  # somebody is late
    assert await tokens.get() == "t2"
    assert issuer.calls == 2


async def test_whoever_waits_learns_that_it_is_closed(issuer: Issuer, tokens: Tokens) -> None:
    issuer.open.clear()
    waiting = asyncio.create_task(tokens.get())
    await settled()

    await tokens.close()

    with pytest.raises(PlatformUnavailable, match="closed"):
        await waiting


async def test_a_bug_in_fetching_is_logged_with_its_traceback(
    issuer: Issuer, tokens: Tokens, caplog: pytest.LogCaptureFixture
) -> None:
    issuer.fails = RuntimeError("a bug")

    with pytest.raises(RuntimeError):
        await tokens.get()

    assert caplog.records[-1].exc_info


def test_a_token_is_not_shown() -> None:
    assert "secret" not in repr(Token("secret", 1.0))


async def test_20_calls_at_a_cold_start_fetch_one_token(platform: Platform) -> None:
    async with open_client(platform.credentials) as client:
        await asyncio.gather(*(client.bot_info() for _ in range(20)))

    assert platform.token_calls == 1
    assert len(platform.calls(BOT)) == 20


async def test_an_expired_token_is_fetched_again(platform: Platform) -> None:
    time = SharedTime(platform)
    async with open_client(platform.credentials, clock=time.now, sleep=time.sleep) as client:
        await client.bot_info()
        platform.clock.advance(7200)
        await client.bot_info()

    assert platform.token_calls == 2
    assert {call.status for call in platform.calls(BOT)} == {200}


async def test_in_the_last_half_hour_calls_do_not_wait_for_the_new_token(platform: Platform) -> None:
    time = SharedTime(platform)
    async with open_client(platform.credentials, clock=time.now, sleep=time.sleep) as client:
        await client.bot_info()
        platform.clock.advance(7200 - 29 * 60)
        slow = platform.fail("/tenant_access_token/", with_=Trouble.delay(0.5))
        await client.bot_info()
        assert len(slow.hits) <= 1
        assert all(call.status == 0 for call in slow.hits)  # not answered yet
        async with asyncio.timeout(30):
            while len({call.headers["authorization"] for call in platform.calls(BOT)}) == 1:
                await client.bot_info()

    assert platform.token_calls == 2
    assert {call.status for call in platform.calls(BOT)} == {200}


@pytest.mark.parametrize("code", [99991663, 99991671, 99991664, 99991665])
async def test_a_token_that_feishu_refuses_is_replaced_once_and_the_call_repeated(
    platform: Platform, code: int
) -> None:
    async with open_client(platform.credentials) as client:
        await client.bot_info()
        platform.fail(BOT, with_=Trouble.error(code, "Invalid access token for authorization."))
        platform.revoke_tokens()
        await client.bot_info()

    assert platform.token_calls == 2
    assert [call.status for call in platform.calls(BOT)] == [200, 400, 200]


async def test_20_calls_with_a_revoked_token_fetch_one_new_one(platform: Platform) -> None:
    async with open_client(platform.credentials) as client:
        await client.bot_info()
        platform.revoke_tokens()
        await asyncio.gather(*(client.bot_info() for _ in range(20)))

    assert platform.token_calls == 2
    assert len([call for call in platform.calls(BOT) if call.status == 200]) == 21


async def test_a_token_that_is_refused_twice_is_given_up(platform: Platform) -> None:
    platform.fail(BOT, times=9, with_=Trouble.error(99991663, "Invalid access token for authorization."))
    async with open_client(platform.credentials) as client:
        with pytest.raises(PlatformUnavailable) as caught:
            await client.bot_info()

    assert caught.value.code == 99991663
    assert len(platform.calls(BOT)) == 2


async def test_a_wrong_secret_is_one_clear_sentence(platform: Platform, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "app")
    async with open_client(replace(platform.credentials, app_secret="n0t-the-secret")) as client:
        with pytest.raises(Misconfigured, match="LARKWISE_FEISHU_APP_SECRET") as caught:
            await client.bot_info()

    assert caught.value.code == 10014
    assert platform.token_calls == 1
    assert "n0t-the-secret" not in caplog.text + str(caught.value)


async def test_a_wrong_app_id_is_one_clear_sentence(platform: Platform) -> None:
    async with open_client(replace(platform.credentials, app_id="cli_nobody")) as client:
        with pytest.raises(Misconfigured, match=r"LARKWISE_FEISHU_APP_ID.*LARKWISE_FEISHU_DOMAIN=lark"):
            await client.bot_info()


async def test_any_other_refusal_of_a_token_names_both_variables(platform: Platform) -> None:
    platform.fail("/tenant_access_token/", with_=Trouble.error(10012, "something about the app", http=200))
    async with open_client(platform.credentials) as client:
        with pytest.raises(Misconfigured, match=r"LARKWISE_FEISHU_APP_ID and LARKWISE_FEISHU_APP_SECRET.*10012"):
            await client.bot_info()


async def test_fetching_a_token_outlasts_a_bad_gateway(platform: Platform) -> None:
    time = SharedTime(platform)
    platform.fail("/tenant_access_token/", times=2, with_=Trouble.http(502))
    async with open_client(platform.credentials, clock=time.now, sleep=time.sleep) as client:
        await client.bot_info()

    assert platform.token_calls == 3


async def test_an_answer_without_a_token_is_not_taken_for_one(platform: Platform) -> None:
    platform.fail("/tenant_access_token/", times=9, with_=Trouble.http(200, '{"code": 0, "msg": "ok", "expire": 7200}'))
    async with open_client(platform.credentials, patience=Patience(tries=1)) as client:
        with pytest.raises(PlatformUnavailable, match="no token"):
            await client.bot_info()
