"""The parts of the bench of Feishu's webhook: what is sent is Feishu's, times are counted rightly, losses are found."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.requests import Request as HttpRequest
from starlette.responses import Response
from starlette.routing import Route

from app.database import open_database
from app.feishu import events
from app.feishu.client import FeishuClient, open_client
from app.feishu.credentials import Credentials
from app.feishu.deliveries import Delivery, open_delivery
from app.feishu.errors import CallFailed
from app.feishu.events import MessageReceived
from app.feishu.inbox import Inbox, open_inbox
from app.feishu.patience import Patience
from app.feishu.receiving import FeishuDoor
from app.feishu.reception import Reception
from app.feishu.wire import Content
from app.routes import feishu as routes
from bench.environment import Environment
from bench.errors import BenchError, TargetError
from bench.feishu import Wanted, flooded, metric
from bench.feishu_askers import Askers
from bench.feishu_events import KEYS, Flood, event_id_of, flood, message, sealed
from bench.feishu_platform import BOT, platform_app, serving
from bench.feishu_report import Cost, Flooded, Kept, acknowledgement, kept, table
from bench.feishu_sender import Outcome, Request, send, send_all
from tests.app.servers import running, wait_until

OPENED = Environment("a processor", 2, 2**34, "Linux", "3.11", {}, "abc")
NOTHING = Cost(1.0, 0.0, 0.0, 0.0, 0.0, 0, 0, 0)


def requests(*times: float) -> list[Request]:
    return [Request(f"event-{number}", at_s, {}, b"{}") for number, at_s in enumerate(times)]


# ---------------------------------------------------------------- what is sent


def opened(request: Request) -> dict[str, object]:
    found = open_delivery(request.headers, request.body, KEYS, now_s=time.time())
    assert isinstance(found, Delivery)
    return found.payload


def test_the_service_takes_each_request_for_a_message_to_the_bot() -> None:
    for request in flood(Flood(rate=20, seconds=2)):
        event = events.event_of(opened(request))
        assert isinstance(event, MessageReceived)
        assert (event.event_id, event.msg_type, event.is_in_group) == (request.event_id, "sticker", False)


def test_there_are_as_many_as_wanted_within_the_time_in_order() -> None:
    times = [request.at_s for request in flood(Flood(rate=50, seconds=4))]

    assert len(times) == 200
    assert times == sorted(times)
    assert 0 <= times[0] < times[-1] <= 4


def test_a_share_of_them_is_an_earlier_event_that_comes_again() -> None:
    sent = flood(Flood(rate=500, seconds=2, again=0.2))
    seen: dict[str, object] = {}
    again = 0
    for request in sent:
        payload = opened(request)
        again += request.event_id in seen
        assert seen.setdefault(request.event_id, payload) == payload

    assert 120 < again < 280
    assert len({str(event["event"]) for event in seen.values() if isinstance(event, dict)}) == len(seen)


# ---------------------------------------------------------------- how it is sent


@contextmanager
def webhook(*, takes_s: float, status: int = 200) -> Iterator[str]:
    """One request after the other, each for so long."""
    turn = asyncio.Lock()

    async def answer(request: HttpRequest) -> Response:
        await request.body()
        async with turn:
            await asyncio.sleep(takes_s)
        return Response(status_code=status)

    with serving(Starlette(routes=[Route("/hook", answer, methods=["POST"])])) as url:
        yield f"{url}/hook"


async def test_an_answer_takes_as_long_as_the_server() -> None:
    with webhook(takes_s=0.1) as url:
        (one,) = await send_all(url, requests(0.05))

    assert (one.event_id, one.status, one.is_acknowledged) == ("event-0", 200, True)
    assert one.answered_s >= 0.1


async def test_nobody_waits_for_the_answer_before_and_times_are_from_when_a_request_was_due() -> None:
    """Ten that are due within 0.1 s at a server that needs a second for them: the last has waited 0.9 s."""
    due = [number / 100 for number in range(10)]
    with webhook(takes_s=0.1) as url:
        outcomes = await send_all(url, requests(*due))

    assert [one.at_s for one in outcomes] == due
    served = sorted(one.at_s + one.answered_s for one in outcomes)
    assert all(at >= 0.1 * number for number, at in enumerate(served, start=1))
    assert max(one.answered_s for one in outcomes) >= 0.9


async def test_a_sender_that_was_held_up_counts_it() -> None:
    async def hold_up() -> None:
        await asyncio.sleep(0.02)
        time.sleep(0.3)  # noqa: ASYNC251 - as a machine that is busy does it

    with webhook(takes_s=0) as url:
        outcomes, _ = await asyncio.gather(send_all(url, requests(0.05, 0.1)), hold_up())

    assert all(one.late_s > 0.15 and one.answered_s >= one.late_s for one in outcomes)


async def test_what_is_refused_is_not_acknowledged() -> None:
    with webhook(takes_s=0, status=503) as url:
        (one,) = await send_all(url, requests(0))

    assert (one.status, one.is_acknowledged) == (503, False)


async def test_no_answer_is_the_status_0(unused_tcp_port: int) -> None:
    with webhook(takes_s=5) as url:
        outcomes = await send_all(url, requests(0, 0.01), patience_s=0.1)
    outcomes += await send_all(f"http://127.0.0.1:{unused_tcp_port}/hook", requests(0))

    assert [one.status for one in outcomes] == [0, 0, 0]


async def test_a_connection_that_the_server_has_closed_is_not_used_again() -> None:
    async def answer(_: HttpRequest) -> Response:
        return Response(headers={"Connection": "close"})

    with serving(Starlette(routes=[Route("/", answer, methods=["POST"])])) as url:
        outcomes = await send_all(url, requests(0, 0.1, 0.2))

    assert [one.status for one in outcomes] == [200, 200, 200]


def test_nothing_to_send_is_sent_at_once() -> None:
    assert send("http://127.0.0.1:1/", ()).outcomes == ()


# ---------------------------------------------------------------- the platform


@asynccontextmanager
async def bot_on_platform(replied: list[str]) -> AsyncIterator[FeishuClient]:
    with serving(platform_app(replied.append)) as url:
        async with open_client(Credentials(KEYS.app_id, "secret", url), patience=Patience(tries=1)) as client:
            yield client


async def test_the_bot_can_do_all_that_an_answer_needs() -> None:
    replied: list[str] = []
    async with bot_on_platform(replied) as client:
        assert (await client.bot_info()).open_id == BOT
        card = await client.create_card({"schema": "2.0"})
        first = await client.reply("om_1", Content.card_id(card), uuid="a", chat_id="oc_1")
        await client.stream_text(card, "answer", "Within", sequence=1, uuid="b")
        await client.set_streaming(card, False, sequence=2, uuid="c")
        await client.replace_card(card, {"schema": "2.0"}, sequence=3, uuid="d")
        second = await client.reply("om_2", Content.text("hello"), uuid="e", chat_id="oc_2")

    assert replied == ["om_1", "om_2"]
    assert len({card, first, second}) == 3


async def test_what_it_does_not_know_is_an_error_and_not_silence() -> None:
    async with bot_on_platform([]) as client:
        with pytest.raises(CallFailed):
            await client.message("om_1")


# ---------------------------------------------------------------- who asks


async def test_each_chat_has_some_questions_ahead_and_one_more_for_each_reply() -> None:
    asked: list[str] = []

    async def take(request: HttpRequest) -> Response:
        event = events.event_of(opened(Request("", 0, request.headers, await request.body())))
        assert isinstance(event, MessageReceived)
        asked.append(event.message_id)
        return Response()

    app = Starlette(routes=[Route("/", take, methods=["POST"])])
    async with httpx.AsyncClient(trust_env=False) as client:
        with serving(app) as url:
            askers = Askers(client, url, ["What?", "Why?"], chats=2)
            beginning = asyncio.create_task(askers.begin(60))
            await asyncio.to_thread(wait_until, lambda: len(askers.acknowledged) == 6)
            assert not beginning.done()
            for message_id in asked[:6]:
                askers.hear(message_id)
                askers.hear(message_id)  # a second reply to the same question asks nothing
            await beginning
            await asyncio.to_thread(wait_until, lambda: len(askers.acknowledged) == 12)
            await askers.end()
            askers.hear(asked[6])
            await askers.end()

    assert len(set(asked)) == 12
    assert askers.replied == 7


async def test_chats_that_are_not_answered_are_an_error() -> None:
    with webhook(takes_s=0) as url:
        async with httpx.AsyncClient(trust_env=False) as client:
            askers = Askers(client, url, ["What?"], chats=1)
            with pytest.raises(TargetError, match="1 of 1 chats"):
                await askers.begin(0.1)
            await askers.end()


# ---------------------------------------------------------------- what is said of it


def outcome(answered_s: float, *, status: int = 200, number: int = 0, late_s: float = 0.0) -> Outcome:
    return Outcome(f"event-{number}", number / 100, late_s, answered_s, status)


def test_percentiles_are_of_what_was_acknowledged_and_shares_of_everything() -> None:
    outcomes = [outcome(0.01 * number, number=number) for number in range(1, 101)]
    outcomes += [outcome(0.001, status=503, number=101), outcome(30.0, status=0, number=102)]

    seen = acknowledgement(outcomes)

    assert (seen.requests, seen.distinct, seen.refused) == (102, 102, {"503": 1, "0": 1})
    assert (seen.p50_ms, seen.p99_ms, seen.max_ms) == pytest.approx((505.0, 990.1, 1000.0))
    assert seen.over_goal == pytest.approx((95 + 2) / 102)
    assert seen.over_patience == pytest.approx(2 / 102)
    assert seen.rate == pytest.approx(102 / 1.01)


def test_where_nothing_was_acknowledged_there_is_nothing_to_say() -> None:
    with pytest.raises(BenchError, match="2 × 503"):
        acknowledgement([outcome(0.1, status=503), outcome(0.1, status=503)])


def inbox_file(folder: Path, *event_ids: str) -> Path:
    file = folder / "larkwise.sqlite3"
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("CREATE TABLE feishu_inbox (event_id TEXT)")
        connection.executemany("INSERT INTO feishu_inbox VALUES (?)", [(one,) for one in event_ids])
        connection.commit()
    return file


def test_what_is_missing_or_doubled_is_found(tmp_path: Path) -> None:
    found = kept(inbox_file(tmp_path, "a", "b", "b", "unasked"), ["a", "b", "c", "a"])

    assert found == Kept(acknowledged=3, committed=2, missing=("c",), doubled=("b",))


def test_what_is_not_committed_is_missing(tmp_path: Path) -> None:
    file = inbox_file(tmp_path, "a")
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("INSERT INTO feishu_inbox VALUES ('b')")
        assert kept(file, ["a", "b"]).missing == ("b",)


@pytest.mark.parametrize(
    ("found", "fault"),
    [
        (Kept(2, 2, (), ()), ""),
        (Kept(2, 1, ("a",), ()), "1 acknowledged events are not in the database"),
        (Kept(2, 2, (), ("b",)), "more than once"),
    ],
)
def test_only_a_loss_is_a_fault_whatever_the_speed(found: Kept, fault: str) -> None:
    run = Flooded("m", 200, OPENED, 1.0, acknowledgement([outcome(9.0)]), found, NOTHING)

    assert fault in "".join(run.faults())
    assert bool(run.faults()) == bool(fault)
    assert any("(goal 50)" in line for line in table(run))


def test_a_number_is_found_by_its_labels() -> None:
    page = '# TYPE larkwise_tokens counter\nlarkwise_tokens_total{kind="prompt"} 7\nlarkwise_tokens_total{kind="x"} 9\n'

    assert metric(page, "larkwise_tokens_total", kind="x") == 9
    assert metric(page, "larkwise_tokens_total", kind="none") == 0


# ---------------------------------------------------------------- all of it


def real_webhook(folder: Path) -> FastAPI:
    """The service's own door and inbox, and nobody who works behind it."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        database = await open_database(f"sqlite+aiosqlite:///{folder / 'larkwise.sqlite3'}")
        async with open_inbox(database) as inbox:
            app.state.feishu = FeishuDoor(KEYS, Reception(inbox, database, lambda: BOT), lambda _: None)
            yield
        await database.close()

    app = FastAPI(lifespan=lifespan)
    app.include_router(routes.router)
    return app


async def test_everything_that_the_webhook_acknowledges_is_found_in_the_database(tmp_path: Path) -> None:
    wanted = flood(Flood(rate=100, seconds=1))
    with running(real_webhook(tmp_path)) as url:
        outcomes = await send_all(f"{url}/feishu/webhook", wanted)
        acknowledged = [one.event_id for one in outcomes if one.is_acknowledged]
        found = kept(tmp_path / "larkwise.sqlite3", acknowledged)

    assert len(acknowledged) == 100
    assert found.committed == found.acknowledged == len({one.event_id for one in wanted}) < 100
    assert (found.missing, found.doubled) == ((), ())


async def test_a_webhook_that_keeps_nothing_is_found_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def forget(_: Inbox, __: object) -> bool:
        return True

    monkeypatch.setattr(Inbox, "accept", forget)
    with running(real_webhook(tmp_path)) as url:
        (one,) = await send_all(f"{url}/feishu/webhook", flood(Flood(rate=1, seconds=1)))
        found = kept(tmp_path / "larkwise.sqlite3", [one.event_id])

    assert one.is_acknowledged
    assert found.missing == (one.event_id,)


def test_no_two_messages_are_the_same() -> None:
    first, second = (message(7, "text", {"text": "你好"}) for _ in range(2))

    assert event_id_of(first) != event_id_of(second)
    assert sealed(first)[1] != sealed(first)[1]


@pytest.mark.slow
async def test_the_whole_bench_runs_where_no_model_is(
    tmp_path: Path, cache_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LARKWISE_CACHE_DIR", str(cache_dir))
    wanted = Wanted("none", Flood(rate=20, seconds=2), chats=2, out=tmp_path, settings=(("LLM_PROVIDER", "none"),))

    run = await flooded(wanted)

    assert run.faults() == []
    assert run.acknowledgement.requests == 40
    assert run.kept.committed == run.kept.acknowledged > 30
    assert run.cost.service_cpu_s > 0
