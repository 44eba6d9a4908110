"""What Feishu's error codes mean: which error each is, what may help at once, and what people can do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import TypeAlias

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


class Remedy(Enum):
    """What to do before the call is given up."""

    NONE = auto()
    REPEAT = auto()
    """Wait a little; with the same uuid it is done once."""
    SLOW_DOWN = auto()
    """Wait with all calls of this API."""
    SLOW_DOWN_HERE = auto()
    """Wait with all calls for this chat, or this card."""
    NEW_TOKEN = auto()


@dataclass(frozen=True, slots=True)
class Meaning:
    """`advice` completes "It was not done: …"."""

    error: type[CallFailed]
    advice: str
    remedy: Remedy = Remedy.NONE


def meaning_of(code: int, *, status: int) -> Meaning:
    """Of an answer with this code, and this status of HTTP."""
    if found := MEANINGS.get(code):
        return found
    if status == 429:
        return _TOO_MANY
    return _TROUBLE if status >= 500 else _UNKNOWN


_Codes: TypeAlias = Mapping[int, Meaning]

_TROUBLE = Meaning(PlatformUnavailable, "Feishu has trouble of its own; try again later", Remedy.REPEAT)
_UNKNOWN = Meaning(CallFailed, "Feishu's list of error codes tells more")
_TOO_MANY = Meaning(RateLimited, "Feishu does not want so many calls of this API", Remedy.SLOW_DOWN)
_TOO_MANY_HERE = Meaning(RateLimited, "too much is written into one chat or card at a time", Remedy.SLOW_DOWN_HERE)
_OLD_TOKEN = Meaning(PlatformUnavailable, "Feishu does not take the token that it has just given", Remedy.NEW_TOKEN)

_TOKEN: _Codes = dict.fromkeys((99991663, 99991671, 99991664, 99991665), _OLD_TOKEN)

_RATE: _Codes = {
    99991400: _TOO_MANY,
    11232: _TOO_MANY,
    11233: _TOO_MANY,
    11247: _TOO_MANY,
    230020: _TOO_MANY_HERE,
}

_TRANSIENT: _Codes = {
    230049: Meaning(PlatformUnavailable, "the message is still being sent", Remedy.REPEAT),
    200810: Meaning(PlatformUnavailable, "somebody is just pressing a button of the card", Remedy.REPEAT),
}

_QUOTA: _Codes = {
    99991403: Meaning(QuotaSpent, "the month's calls of the Feishu plan are used up; an administrator can buy more"),
}

_CREDENTIALS: _Codes = {
    10003: Meaning(
        Misconfigured,
        "Feishu knows no such app: check LARKWISE_FEISHU_APP_ID and, for an app of Lark, LARKWISE_FEISHU_DOMAIN=lark",
    ),
    10014: Meaning(
        Misconfigured,
        "the app's secret is wrong: set LARKWISE_FEISHU_APP_SECRET to what the developer console shows "
        "for LARKWISE_FEISHU_APP_ID",
    ),
}

LACKS_PERMISSION = 99991672

_CONFIG: _Codes = {
    LACKS_PERMISSION: Meaning(
        Misconfigured,
        "the app lacks a permission: grant it in the developer console, then publish a version of the app",
    ),
    99991401: Meaning(
        Misconfigured,
        "the app may not be used from this machine's address: add it to the IP allowlist in the developer console",
    ),
    230006: Meaning(
        Misconfigured,
        "the app has no bot: add the bot ability in the developer console, then publish a version of the app",
    ),
    11205: Meaning(
        Misconfigured,
        "the app has no bot: add the bot ability in the developer console, then publish a version of the app",
    ),
    230027: Meaning(
        Misconfigured, "the app lacks a permission for this chat, or the chat is one with people from outside"
    ),
    131006: Meaning(Misconfigured, "the app may not read this wiki: add it to the members of the wiki space"),
    1770032: Meaning(Misconfigured, "the app may not read this document: share it, or its folder, with the app"),
    1061004: Meaning(Misconfigured, "the app may not read this folder or file: share it with the app"),
}

_TARGET: _Codes = {
    230002: Meaning(ChatClosed, "the bot is not in the chat: add it again"),
    230013: Meaning(
        ChatClosed,
        "the app is not available to this person: extend its availability in the developer "
        "console, then publish a version of the app",
    ),
    230018: Meaning(ChatClosed, "the chat's settings do not allow it: ask the owner of the group"),
    230035: Meaning(ChatClosed, "the bot is muted in the chat: ask the owner of the group"),
    230053: Meaning(ChatClosed, "the person does not want messages of this bot"),
    230050: Meaning(ChatClosed, "the bot may not see the message"),
    230029: Meaning(ChatClosed, "the person has left the company"),
    230038: Meaning(ChatClosed, "the person belongs to another company"),
    232009: Meaning(ChatClosed, "the chat was dissolved"),
}

_REPLY: _Codes = dict.fromkeys(
    (230019, 230054, 230071), Meaning(NoReply, "this message, or its thread, takes no replies")
)

_GONE: _Codes = {
    230011: Meaning(MessageGone, "the message was recalled"),
    231003: Meaning(MessageGone, "the message was deleted"),
    230110: Meaning(MessageGone, "the message was deleted"),
}

_CONTENT: _Codes = {
    230001: Meaning(ContentRefused, "the message is not in a form that Feishu takes"),
    230025: Meaning(ContentRefused, "the message is too long"),
    230099: Meaning(ContentRefused, "the card is not in a form that Feishu takes, or has too many tables"),
    230028: Meaning(ContentRefused, "the company's rules do not let the message through"),
    230022: Meaning(ContentRefused, "Feishu takes something in the message for sensitive"),
    200860: Meaning(ContentRefused, "the card is too large"),
    300305: Meaning(ContentRefused, "the card has too many elements"),
    200570: Meaning(ContentRefused, "the card shows an image that was not uploaded to Feishu"),
    200220: Meaning(ContentRefused, "Feishu cannot make a card of it"),
    200621: Meaning(ContentRefused, "the card has something that Feishu does not know"),
    200861: Meaning(ContentRefused, "the card has an element that cards of schema 2.0 do not have"),
    100290: Meaning(ContentRefused, "the card mentions somebody who cannot be mentioned"),
}

_CARD: _Codes = {
    200740: Meaning(CardProblem, "there is no such card"),
    200750: Meaning(CardProblem, "the card is older than 14 days"),
    200770: Meaning(CardProblem, "another change of the card had the same uuid"),
    200850: Meaning(CardProblem, "the card was open for 10 minutes, and Feishu has closed it"),
    300309: Meaning(CardProblem, "the card is not open for streaming"),
    300302: Meaning(CardProblem, "the card is not shared by all who see it (update_multi)"),
    300311: Meaning(CardProblem, "the card belongs to another app"),
    300313: Meaning(CardProblem, "the card has no such element"),
    300317: Meaning(CardProblem, "the card has had a change with a higher number"),
    230031: Meaning(CardProblem, "the message is older than 14 days"),
}

_RESOURCE: _Codes = {
    234037: Meaning(ResourceTooLarge, "Feishu gives out files of up to 100 MB"),
    234043: Meaning(CallFailed, "Feishu does not give out files of cards, stickers and forwarded messages"),
}

MEANINGS: _Codes = {
    **_TOKEN,
    **_RATE,
    **_TRANSIENT,
    **_QUOTA,
    **_CREDENTIALS,
    **_CONFIG,
    **_TARGET,
    **_REPLY,
    **_GONE,
    **_CONTENT,
    **_CARD,
    **_RESOURCE,
}
