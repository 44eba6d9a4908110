"""The whole service over the connection that it opens itself."""

from __future__ import annotations

import shutil
from pathlib import Path

from app.factory import create_app
from tests.app.feishu.chats import QUESTION, bot_settings, is_final, shown
from tests.app.feishu.platform import Platform
from tests.app.servers import running, wait_until, wait_until_ready
from tests.fake_openai import Words, fake_openai


def test_a_question_is_acknowledged_answered_and_rated_without_a_webhook(
    platform: Platform, library: Path, tmp_path: Path, cache_dir: Path
) -> None:
    shutil.copytree(library, tmp_path / "var")
    with fake_openai(Words(("Within 15 days.",))) as model:
        # with a Verification Token, as of a webhook before: over the connection Feishu leaves it empty
        settings = bot_settings(platform, model, tmp_path / "var", cache_dir, feishu_transport="ws")
        with running(create_app(settings)) as url:
            platform.ws.wait_connected()
            li = platform.user("Li")
            message = platform.says(li, platform.p2p(li), QUESTION)
            # kept before the model is there
            assert platform.ws.push(platform.event_of(message), parts=2).code == 200
            assert platform.ws.push(platform.event_of(message)).code == 200
            wait_until_ready(url)
            wait_until(lambda: any(map(is_final, platform.sent())))
            [card] = platform.sent()
            assert "15 days" in shown(card)
            value = platform.buttons(card)[0]["behaviors"][0]["value"]
            ack = platform.ws.push(platform.click(li, card, value), type_="card")
            assert ack.code == 200
            assert "Thank" in str(ack.data)
    assert platform.ws.connections == 0
