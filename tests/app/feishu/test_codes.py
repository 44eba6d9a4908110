"""Every error code that is known becomes the right error, after the right number of tries, over HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from app.feishu.client import open_client
from app.feishu.codes import MEANINGS
from app.feishu.errors import (
    CallFailed,
    CardProblem,
    ChatClosed,
    ContentRefused,
    MessageGone,
    Misconfigured,
    NoReply,
    PlatformUnavailable,
    QuotaSpent,
    RateLimited,
    ResourceTooLarge,
)
from app.feishu.patience import Patience
from app.feishu.wire import Content
from tests.app.feishu.platform import Platform, Trouble, fake_platform
from tests.app.feishu.virtual_time import SharedTime

SEND = "/open-apis/im/v1/messages"
TRIES = 3
AT_ONCE = 1
"""It is not tried again."""
NEW_TOKEN = 2
"""It is tried again with another token."""

KNOWN: dict[int, tuple[type[CallFailed], int, str]] = {
    99991663: (PlatformUnavailable, NEW_TOKEN, "token"),
    99991671: (PlatformUnavailable, NEW_TOKEN, "token"),
    99991664: (PlatformUnavailable, NEW_TOKEN, "token"),
    99991665: (PlatformUnavailable, NEW_TOKEN, "token"),
    99991668: (CallFailed, AT_ONCE, "error codes"),
    99991677: (CallFailed, AT_ONCE, "error codes"),
    99991400: (RateLimited, TRIES, "so many calls"),
    11232: (RateLimited, TRIES, "so many calls"),
    11233: (RateLimited, TRIES, "so many calls"),
    11247: (RateLimited, TRIES, "so many calls"),
    230020: (RateLimited, TRIES, "one chat"),
    230049: (PlatformUnavailable, TRIES, "being sent"),
    200810: (PlatformUnavailable, TRIES, "button"),
    99991403: (QuotaSpent, AT_ONCE, "month"),
    99991672: (Misconfigured, AT_ONCE, "permission"),
    99991401: (Misconfigured, AT_ONCE, "IP allowlist"),
    230006: (Misconfigured, AT_ONCE, "bot ability"),
    11205: (Misconfigured, AT_ONCE, "bot ability"),
    10003: (Misconfigured, AT_ONCE, "LARKWISE_FEISHU_APP_ID"),
    10014: (Misconfigured, AT_ONCE, "LARKWISE_FEISHU_APP_SECRET"),
    230027: (Misconfigured, AT_ONCE, "permission"),
    131006: (Misconfigured, AT_ONCE, "members of the wiki space"),
    1770032: (Misconfigured, AT_ONCE, "share it"),
    1061004: (Misconfigured, AT_ONCE, "share it"),
    230002: (ChatClosed, AT_ONCE, "not in the chat"),
    230013: (ChatClosed, AT_ONCE, "availability"),
    230018: (ChatClosed, AT_ONCE, "settings"),
    230035: (ChatClosed, AT_ONCE, "muted"),
    230053: (ChatClosed, AT_ONCE, "does not want"),
    230050: (ChatClosed, AT_ONCE, "may not see"),
    230029: (ChatClosed, AT_ONCE, "left the company"),
    230038: (ChatClosed, AT_ONCE, "another company"),
    232009: (ChatClosed, AT_ONCE, "dissolved"),
    230019: (NoReply, AT_ONCE, "takes no replies"),
    230054: (NoReply, AT_ONCE, "takes no replies"),
    230071: (NoReply, AT_ONCE, "takes no replies"),
    230011: (MessageGone, AT_ONCE, "recalled"),
    231003: (MessageGone, AT_ONCE, "deleted"),
    230110: (MessageGone, AT_ONCE, "deleted"),
    230001: (ContentRefused, AT_ONCE, "form"),
    230025: (ContentRefused, AT_ONCE, "too long"),
    230099: (ContentRefused, AT_ONCE, "tables"),
    230028: (ContentRefused, AT_ONCE, "rules"),
    230022: (ContentRefused, AT_ONCE, "sensitive"),
    200860: (ContentRefused, AT_ONCE, "too large"),
    300305: (ContentRefused, AT_ONCE, "elements"),
    200570: (ContentRefused, AT_ONCE, "image"),
    100290: (ContentRefused, AT_ONCE, "mention"),
    200220: (ContentRefused, AT_ONCE, "cannot make a card"),
    200621: (ContentRefused, AT_ONCE, "does not know"),
    200861: (ContentRefused, AT_ONCE, "2.0"),
    200740: (CardProblem, AT_ONCE, "no such card"),
    200750: (CardProblem, AT_ONCE, "14 days"),
    200770: (CardProblem, AT_ONCE, "uuid"),
    200850: (CardProblem, AT_ONCE, "10 minutes"),
    300309: (CardProblem, AT_ONCE, "not open"),
    300302: (CardProblem, AT_ONCE, "update_multi"),
    300311: (CardProblem, AT_ONCE, "another app"),
    300313: (CardProblem, AT_ONCE, "element"),
    300317: (CardProblem, AT_ONCE, "higher number"),
    230031: (CardProblem, AT_ONCE, "14 days"),
    234037: (ResourceTooLarge, AT_ONCE, "100 MB"),
    234043: (CallFailed, AT_ONCE, "stickers"),
}


@pytest.fixture(scope="module")
def one_for_all() -> Iterator[Platform]:
    with fake_platform() as running:
        yield running


@pytest.fixture
def platform(one_for_all: Platform) -> Platform:
    """As good as new."""
    one_for_all.heal()
    one_for_all.revoke_tokens()
    one_for_all.state.calls.clear()
    return one_for_all


async def failure(platform: Platform, trouble: Trouble) -> CallFailed:
    """What sending comes to where all calls have this trouble."""
    time = SharedTime(platform)
    platform.fail(SEND, times=99, with_=trouble)
    patience = Patience(tries=TRIES)
    async with open_client(platform.credentials, clock=time.now, sleep=time.sleep, patience=patience) as client:
        with pytest.raises(CallFailed) as caught:
            await client.send("oc_1", Content.text("hello"), uuid="u1")
    return caught.value


@pytest.mark.parametrize("code", KNOWN)
async def test_a_code_becomes_its_error_and_says_what_to_do(platform: Platform, code: int) -> None:
    kind, tries, advice = KNOWN[code]

    error = await failure(platform, Trouble.error(code, "as Feishu words it"))

    assert type(error) is kind
    assert error.code == code
    assert len(error.log_id) == 32
    assert advice in str(error)
    assert "as Feishu words it" in str(error)
    assert error.log_id in str(error)
    calls = platform.calls(SEND)
    assert len(calls) == tries
    assert all(call.raw == calls[0].raw for call in calls)  # with the same uuid
    assert platform.token_calls == (2 if tries == NEW_TOKEN else 1)


def test_no_code_is_without_a_test() -> None:
    assert set(MEANINGS) <= set(KNOWN)


async def test_a_code_that_nobody_knows_is_told_as_it_is(platform: Platform) -> None:
    error = await failure(platform, Trouble.error(424242, "a new kind of trouble"))

    assert type(error) is CallFailed
    assert "424242" in str(error)
    assert "a new kind of trouble" in str(error)
    assert len(platform.calls(SEND)) == 1


@pytest.mark.parametrize(
    ("trouble", "kind"),
    [
        (Trouble.error(2200, "internal error", http=500), PlatformUnavailable),
        (Trouble.http(502), PlatformUnavailable),
        (Trouble.http(503, ""), PlatformUnavailable),
        (Trouble.http(200, "<html>log in to the network</html>"), PlatformUnavailable),
        (Trouble.http(404, "<html>no such page</html>"), PlatformUnavailable),
        (Trouble.http(200, "[]"), PlatformUnavailable),
        (Trouble.http(200, '{"msg": "without a code"}'), PlatformUnavailable),
        (Trouble.http(200, '{"code": "0", "data": {}}'), PlatformUnavailable),
        (Trouble.http(429, "<html>slowly</html>"), RateLimited),
        (Trouble.error(424242, "slowly", http=429), RateLimited),
        (Trouble.rate_limited(1, http=400), RateLimited),
        (Trouble.drop(), PlatformUnavailable),
    ],
)
async def test_what_is_not_of_the_api_is_tried_again_and_then_unavailable(
    platform: Platform, trouble: Trouble, kind: type[CallFailed]
) -> None:
    assert type(await failure(platform, trouble)) is kind
    assert len(platform.calls(SEND)) == TRIES


async def test_a_page_of_something_else_names_the_variable_of_the_address(platform: Platform) -> None:
    error = await failure(platform, Trouble.http(404, "<html>no such page</html>"))

    assert "LARKWISE_FEISHU_DOMAIN" in str(error)
    assert "127.0.0.1" in str(error)
    assert "no such page" not in str(error)


async def test_a_missing_permission_is_named_with_the_link_that_feishu_gives(platform: Platform) -> None:
    platform.scopes.remove("cardkit:card:write")
    async with open_client(platform.credentials) as client:
        with pytest.raises(Misconfigured) as caught:
            await client.create_card({"schema": "2.0"})
    platform.scopes.add("cardkit:card:write")

    assert caught.value.code == 99991672
    assert "cardkit:card:write" in str(caught.value)
    assert f"https://open.feishu.cn/app/{platform.app_id}/auth?q=cardkit:card:write" in str(caught.value)


async def test_a_missing_permission_is_named_also_where_only_the_message_has_it(platform: Platform) -> None:
    body = {
        "code": 99991672,
        "msg": "Access denied. One of the following scopes is required: [im:resource, im:message]",
    }

    error = await failure(platform, Trouble.http(400, json.dumps(body)))

    assert type(error) is Misconfigured
    assert "any one of im:resource, im:message: grant it" in str(error)


@pytest.mark.parametrize(
    "detail",
    [None, [], "", {"permission_violations": None, "helps": "x"}, {"helps": [{"url": "javascript:alert(1)"}, 7]}],
)
async def test_a_detail_in_another_form_than_is_documented_is_left_out(platform: Platform, detail: object) -> None:
    body = json.dumps({"code": 99991672, "msg": None, "data": "", "error": detail})

    error = await failure(platform, Trouble.http(400, body))

    assert type(error) is Misconfigured
    assert "javascript" not in str(error)


async def test_what_feishu_quotes_of_a_message_is_not_repeated(platform: Platform) -> None:
    said = "Failed to create card content, ext=ErrCode: 11310; ErrMsg: card table number over limit; ErrorValue: salary"

    error = await failure(platform, Trouble.error(230099, said + "s" * 1000))

    assert type(error) is ContentRefused
    assert "card table number over limit" in str(error)
    assert "salary" not in str(error)
    assert len(str(error)) < 500
