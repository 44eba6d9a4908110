"""Whatever an event that is Feishu's holds: it is kept or it is nothing, and never an error."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.app.feishu.one_life import Life, Living, opened, url_in
from tests.app.feishu.platform import Platform

ANY_TEXT = st.text(st.characters(categories=["L", "N", "P", "Z", "C"]), max_size=20)  # halves of characters as well
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | ANY_TEXT,
    lambda one: st.lists(one, max_size=3) | st.dictionaries(ANY_TEXT, one, max_size=3),
    max_leaves=8,
)


@pytest.fixture
async def living(platform: Platform, tmp_path: Path) -> AsyncIterator[Living]:
    async for living in opened(Life(url_in(tmp_path), platform.credentials, platform.bot_open_id)):
        yield living


def kinds(platform: Platform) -> list[dict[str, Any]]:
    """What somebody says to the bot alone, and in a group, and a command."""
    li = platform.user("Li")
    group, alone = platform.group([li]), platform.p2p(li)
    messages = [
        platform.says(li, alone, "How long?"),
        platform.says(li, group, "@larkwise How long?", mentions=[platform.bot]),
        platform.says(li, alone, "/stop"),
    ]
    return [json.loads(json.dumps(platform.event_of(message))) for message in messages]


def places(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Where something stands in it."""
    yield path
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from places(inner, (*path, key))


def put(value: Any, path: tuple[str | int, ...], what: Any) -> Any:
    if not path:
        return what
    changed = deepcopy(value)
    at = changed
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = what
    return changed


@settings(
    max_examples=200,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
async def test_whatever_an_event_holds_it_is_taken(living: Living, platform: Platform, data: st.DataObject) -> None:
    payload = data.draw(st.sampled_from(kinds(platform)), "event")
    path = data.draw(st.sampled_from(list(places(payload))[1:]), "place")
    content = JSON.map(json.dumps) if path[-1] == "content" else st.nothing()
    odd = put(payload, path, data.draw(JSON | content, "instead"))

    assert await living.reception.receive(odd) == {}
