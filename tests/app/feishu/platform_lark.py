"""lark-oapi, Feishu's own client, judges the fake platform; it takes seconds to import, so only what needs it does."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.app.feishu.platform import Platform


@contextmanager
def lark_oapi_imported() -> Iterator[None]:
    """And what its import has opened is closed in the end."""
    from lark_oapi.ws import client

    yield
    if not client.loop.is_running():
        client.loop.close()


@dataclass(slots=True)
class Dispatched:
    """What its event handler was told; clicks are answered with a toast."""

    handler: Any = None
    messages: list[Any] = field(default_factory=list)
    reactions: list[Any] = field(default_factory=list)
    recalls: list[Any] = field(default_factory=list)
    clicks: list[Any] = field(default_factory=list)
    refused: list[int] = field(default_factory=list)

    def answer(self, headers: Mapping[str, str], body: bytes) -> bytes:
        from lark_oapi.core.model import RawRequest

        request = RawRequest()
        request.uri, request.headers, request.body = "/feishu", dict(headers), body
        response = self.handler.do(request)
        if response.status_code != 200:
            self.refused.append(response.status_code)
        return bytes(response.content)


class Lark:
    """Parts of lark-oapi."""

    def decrypt(self, encrypted: str, key: str) -> str:
        from lark_oapi.core.utils import AESCipher

        return str(AESCipher(key).decrypt_str(encrypted))

    def client(self, platform: Platform) -> Any:
        import lark_oapi

        builder = lark_oapi.Client.builder().app_id(platform.app_id).app_secret(platform.app_secret)
        return builder.domain(platform.url).timeout(10).log_level(lark_oapi.LogLevel.CRITICAL).build()

    def dispatcher(self, platform: Platform, *, encrypted: bool = True) -> Dispatched:
        import lark_oapi
        from lark_oapi.event.callback.model.p2_card_action_trigger import P2CardActionTriggerResponse

        found = Dispatched()

        def clicked(event: Any) -> Any:
            found.clicks.append(event)
            return P2CardActionTriggerResponse({"toast": {"type": "success", "content": "thanks"}})

        keys = (platform.encrypt_key, platform.verification_token) if encrypted else ("", "")
        builder = lark_oapi.EventDispatcherHandler.builder(*keys, lark_oapi.LogLevel.CRITICAL)
        found.handler = (
            builder.register_p2_im_message_receive_v1(found.messages.append)
            .register_p2_im_message_reaction_created_v1(found.reactions.append)
            .register_p2_im_message_recalled_v1(found.recalls.append)
            .register_p2_card_action_trigger(clicked)
            .build()
        )
        return found
