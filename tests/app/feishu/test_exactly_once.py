"""Killed between any two steps, and started again: every message has one answer."""

from __future__ import annotations

import multiprocessing
import signal
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any

import pytest

from app.feishu.sessions import Sessions, working
from tests.app.feishu.chats import is_final, shown, values
from tests.app.feishu.one_life import QUICK as PACE
from tests.app.feishu.one_life import Life, idle, live, opened, url_in
from tests.app.feishu.platform import Platform, SentMessage, User

MANY = 200
"""More steps than there are."""


@pytest.fixture(scope="module")
def processes() -> ForkServerContext:
    """Processes that begin with everything imported, and no threads."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.app.feishu.one_life"])
    return context


def dies(processes: ForkServerContext, life: Life) -> bool:
    """Whether it died at its step; False where it was done before."""
    process = processes.Process(target=live, args=(life,))
    process.start()
    process.join()
    assert process.exitcode in (0, -signal.SIGKILL)
    return process.exitcode != 0


class Case:
    """Somebody in a chat of their own, and a bot with a database of its own."""

    def __init__(self, platform: Platform, folder: Path, name: str) -> None:
        self.platform = platform
        self.li: User = platform.user(name)
        self.chat = platform.p2p(self.li)
        folder.mkdir()
        self.url = url_in(folder)

    def life(self, dies_at: int = 0) -> Life:
        return Life(self.url, self.platform.credentials, self.platform.bot_open_id, dies_at)

    async def receive(self, *events: dict[str, Any]) -> None:
        async for living in opened(self.life()):
            for event in events:
                await living.reception.receive(event)

    async def go_on(self) -> None:
        """Another life, without death."""
        async for living in opened(self.life()):
            async with working(Sessions(living.bot, living.inbox, PACE)):
                await idle(living.inbox)

    def replies(self) -> list[SentMessage]:
        return self.platform.sent(self.chat.chat_id)


async def test_a_question_is_answered_once_wherever_the_service_was_killed(
    platform: Platform, tmp_path: Path, processes: ForkServerContext
) -> None:
    platform.limits.chat_qps = None
    for step in range(1, MANY):
        case = Case(platform, tmp_path / str(step), f"Li {step}")
        message = platform.says(case.li, case.chat, "How long?")
        await case.receive(platform.event_of(message))
        died = dies(processes, case.life(step))
        await case.receive(platform.event_of(message))
        await case.go_on()
        [reply] = case.replies()
        assert reply.parent_id == message.message_id, step
        assert is_final(reply), step
        assert "You asked: How long?" in shown(reply), step
        assert [one["action"] for one in values(reply)] == ["thumbs_up", "thumbs_down", "regenerate"], step
        if not died:
            break
    assert 20 < step < MANY - 1


async def test_another_answer_is_made_once_wherever_the_service_was_killed(
    platform: Platform, tmp_path: Path, processes: ForkServerContext
) -> None:
    platform.limits.chat_qps = None
    for step in range(1, MANY, 2):
        case = Case(platform, tmp_path / str(step), f"Li {step}")
        await case.receive(platform.event_of(platform.says(case.li, case.chat, "How long?")))
        await case.go_on()
        [card] = case.replies()
        click = platform.click(case.li, card, values(card)[2])
        await case.receive(click)
        died = dies(processes, case.life(step))
        await case.receive(click)
        await case.go_on()
        [card] = case.replies()
        assert is_final(card), step
        assert "Earlier answer (1)" in shown(card), step
        assert "Earlier answer (2)" not in shown(card), step
        if not died:
            break
    assert 20 < step < MANY - 2


async def test_a_command_is_answered_once_wherever_the_service_was_killed(
    platform: Platform, tmp_path: Path, processes: ForkServerContext
) -> None:
    platform.limits.chat_qps = None
    for step in range(1, MANY):
        case = Case(platform, tmp_path / str(step), f"Li {step}")
        await case.receive(platform.event_of(platform.says(case.li, case.chat, "/new")))
        died = dies(processes, case.life(step))
        await case.go_on()
        assert [one.msg_type for one in case.replies()] == ["text"], step
        if not died:
            break
    assert 5 < step < MANY - 1
