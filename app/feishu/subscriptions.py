"""Which events and callbacks an app has asked for, and where they are sent, as far as the open platform tells."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote

from pydantic import ValidationError

from app.feishu.client import FeishuClient
from app.feishu.errors import CallFailed
from app.feishu.findings import PUBLISH, Console, Finding
from app.feishu.loose import Loose
from app.feishu.needs import CALLBACK, EVENTS, SEES_ITSELF, WITHOUT_CALLBACK
from app.settings import Settings

_APPROVED = 1
_NO_PERMISSION = 99991672
_PATHS = ("/feishu/webhook", "/feishu/card_callback")
_WAYS = {"webhook": "webhook", "websocket": "ws"}
"""Feishu's words for how things are sent, and ours."""


async def subscriptions(client: FeishuClient, console: Console, settings: Settings) -> list[Finding]:
    """Of the app's version that is published: what was added since does not count."""
    asked = _Asked(client, console, settings)
    return [*await asked.events(), *await asked.callbacks()]


class _Asked:
    def __init__(self, client: FeishuClient, console: Console, settings: Settings) -> None:
        self._client = client
        self._path = f"/open-apis/application/v6/applications/{quote(console.app_id, safe='')}"
        self._console = console
        self._page = console.page("event")
        self._settings = settings

    async def events(self) -> list[Finding]:
        todo = f"look at {self._page}; there should be {', '.join(EVENTS)}"
        try:
            data = await self._client.get(f"{self._path}/app_versions", {"lang": "en_us", "page_size": 50, "order": 0})
            told = _Versions.model_validate(data)
        except (CallFailed, ValidationError) as error:
            return [Finding("events", "cannot tell", _why(error), todo)]
        published = next((one for one in told.items or () if one.status == _APPROVED), None)
        if published is None and not told.has_more:
            todo = f"publish one at {self._console.page('version')}"
            return [Finding("events", "missing", "no version of the app is published", todo)]
        if published is None or published.event_infos is None:
            return [Finding("events", "cannot tell", "the open platform does not tell the events of this app", todo)]
        names = [one.event_type for one in published.event_infos]
        return [self._one(f"event {name}", without, name in names) for name, without in EVENTS.items()]

    async def callbacks(self) -> list[Finding]:
        """With where events and callbacks are sent to."""
        what, todo = f"callback {CALLBACK}", f"look at {self._page}, Callbacks; there should be {CALLBACK}"
        try:
            app = _Told.model_validate(await self._client.get(self._path, {"lang": "en_us"})).app or _App()
        except (CallFailed, ValidationError) as error:
            return [Finding(what, "cannot tell", _why(error), todo), *self._sent_to(None, None)]
        callbacks, events = app.callback_info or app.callback, app.event
        if callbacks is None or callbacks.subscribed_callbacks is None:
            found = Finding(what, "cannot tell", "the open platform does not tell the callbacks of this app", todo)
        else:
            found = self._one(what, WITHOUT_CALLBACK, CALLBACK in callbacks.subscribed_callbacks)
        return [found, *self._sent_to(events, callbacks)]

    def _one(self, what: str, without: str, is_there: bool) -> Finding:
        return (
            Finding(what, "ok") if is_there else Finding(what, "missing", without, f"add it at {self._page}, {PUBLISH}")
        )

    def _sent_to(self, events: _Events | None, callbacks: _Callbacks | None) -> Iterator[Finding]:
        told = (
            ("events", events and events.subscription_type, events and events.request_url),
            ("callbacks", callbacks and callbacks.callback_type, callbacks and callbacks.request_url),
        )
        for kind, way, url in told:
            yield self._way(f"where {kind} are sent", _WAYS.get(way or ""), url or "")

    def _way(self, what: str, way: str | None, url: str) -> Finding:
        transport, public_url = self._settings.feishu_transport, self._settings.public_url
        addresses = [public_url + path for path in _PATHS] if public_url else []
        should = "over a persistent connection" if transport == "ws" else f"to {(addresses or [_PATHS[0]])[0]}"
        todo = f"it should be {should} (LARKWISE_FEISHU_TRANSPORT is {transport}); change it at {self._page}"
        if way is None:
            return Finding(what, "cannot tell", "the open platform does not tell it", todo)
        if way != transport:
            return Finding(what, "missing", f"to {url}" if way == "webhook" else "over a persistent connection", todo)
        if way == "webhook" and addresses and url not in addresses:
            return Finding(what, "missing", f"to {url or 'nowhere'}", todo)
        return Finding(what, "ok", f"to {url}" if way == "webhook" else "over a persistent connection")


def _why(error: CallFailed | ValidationError) -> str:
    if isinstance(error, ValidationError):
        return "Feishu's answer is not as it is documented"
    if error.code == _NO_PERMISSION:
        return f"the open platform tells it to apps with the permission {SEES_ITSELF} only"
    return str(error)


class _Event(Loose):
    event_type: str | None = None


class _Version(Loose):
    status: int | None = None
    event_infos: tuple[_Event, ...] | None = None


class _Versions(Loose):
    """The newest first."""

    items: tuple[_Version, ...] | None = None
    has_more: bool | None = None


class _Events(Loose):
    subscription_type: str | None = None
    request_url: str | None = None


class _Callbacks(Loose):
    callback_type: str | None = None
    request_url: str | None = None
    subscribed_callbacks: tuple[str, ...] | None = None


class _App(Loose):
    event: _Events | None = None
    callback_info: _Callbacks | None = None
    callback: _Callbacks | None = None


class _Told(Loose):
    app: _App | None = None
