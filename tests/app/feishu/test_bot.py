"""What the bot makes of a message, and in which language it speaks; without a model, and on a clock of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.app.feishu.chats import shown
from tests.app.feishu.one_life import Life, opened, url_in
from tests.app.feishu.platform import Platform
from tests.app.feishu.test_delivery import Desk


@pytest.fixture
async def desk(platform: Platform, tmp_path: Path) -> AsyncIterator[Desk]:
    life = Life(url_in(tmp_path), platform.credentials, platform.bot_open_id)
    async for living in opened(life, now=platform.clock.now):
        yield Desk(platform, living)


async def test_people_who_are_named_in_a_forwarded_message_keep_their_names(desk: Desk) -> None:
    wang = desk.platform.user("Wang")
    group = desk.platform.group([desk.li, wang])
    told = desk.platform.says(desk.li, group, "@larkwise what did @Wang write?", mentions=[desk.platform.bot, wang])
    bundle = desk.platform.forwards(desk.li, desk.chat, [told])
    await desk.living.reception.receive(desk.platform.event_of(bundle))
    await desk.work()
    assert "You asked: what did @Wang write?" in shown(desk.replies()[0])
