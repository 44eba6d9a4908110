"""
What can go wrong between larkwise and Feishu.

FeishuError
├── NotAuthentic            a request to the webhook that is not provably Feishu's; why is for the log alone
├── InboxUnavailable        an event cannot be kept
└── CallFailed              a call of the open platform was not done; `code` is Feishu's
    ├── PlatformUnavailable it does not answer, or not sensibly: later it may
    │   └── RateLimited     … because we ask too often
    ├── QuotaSpent          the month's calls are used up
    ├── Misconfigured       the app lacks a credential, a permission or an ability; the message says which
    ├── ChatClosed          the bot may not write into this chat (any more)
    ├── NoReply             this message cannot be replied to, though the chat may be written into
    ├── MessageGone         the message was recalled or deleted
    ├── ContentRefused      the content is too large or not allowed in this form
    ├── CardProblem         a card is not in the state that the call needs
    └── ResourceTooLarge    an image or file is larger than is wanted
"""

from __future__ import annotations


class FeishuError(Exception):
    """Something went wrong with Feishu; the message is for people."""


class NotAuthentic(FeishuError):
    """It is not provably from Feishu; whoever sent it must not learn why."""


class InboxUnavailable(FeishuError):
    """The event could not be kept: Feishu should send it again."""


class CallFailed(FeishuError):
    """A call of the open platform was not done; `is_unsure` where that is not known, and it may have been."""

    def __init__(self, message: str, *, code: int = 0, log_id: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.log_id = log_id
        self.is_unsure = False


class PlatformUnavailable(CallFailed):
    """It does not answer, or not sensibly, also after several tries; whether the last one was done is not known."""


class RateLimited(PlatformUnavailable):
    """It does not want so many calls, also after several tries."""


class QuotaSpent(CallFailed):
    """The month's calls are used up."""


class Misconfigured(CallFailed):
    """The app lacks a credential, a permission or an ability; the message says which, and what to do."""


class ChatClosed(CallFailed):
    """The bot may not write into this chat (any more)."""


class NoReply(CallFailed):
    """This message cannot be replied to, though the chat may be written into."""


class MessageGone(CallFailed):
    """The message was recalled or deleted."""


class ContentRefused(CallFailed):
    """The content is too large, or not allowed in this form."""


class CardProblem(CallFailed):
    """The card is not in the state that the call needs: closed, expired, or a number that is not higher."""


class ResourceTooLarge(CallFailed):
    """An image or file is larger than is wanted."""


PASSING = (PlatformUnavailable, QuotaSpent, Misconfigured)
"""The fault of no message and no file: who waits may find it mended."""
