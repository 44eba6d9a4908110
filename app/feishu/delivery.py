"""
What is said arrives once.

Feishu takes a message with a `uuid` that it has seen within the hour for the same message. So a reply may be sent again
after a crash as long as that hour lasts; later the bot looks into the chat for its own reply before it speaks.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from app.feishu.cards import AnswerShown, Card, answer_card, answer_post, answer_text, note_card
from app.feishu.client import FeishuClient
from app.feishu.codes import LACKS_PERMISSION
from app.feishu.errors import CallFailed, CardProblem, ContentRefused, MessageGone, NoReply, PlatformUnavailable
from app.feishu.inbox import Inbox, Item
from app.feishu.markup import without_mentions
from app.feishu.texts import say
from app.feishu.wire import Content
from chains.language import Language

logger = logging.getLogger(__name__)
HONOURED_S = 50 * 60.0
"""A little less than the hour."""
_TYPES = {"card": "interactive", "post": "post", "text": "text"}
_MAX_TEXT = 30_000
"""Characters; Feishu takes 150 KB."""
_LOOK_BACK_S = 120


class CannotTell(Exception):
    """The reply may have been sent long ago, and the chat cannot be read."""


class Numbers:
    """The numbers of a card's changes; each is higher than all before."""

    def __init__(self, last: int) -> None:
        self._last = last

    def next(self) -> int:
        self._last += 1
        return self._last


class Deliverer:
    """Replies to the messages of the inbox; `now` is in seconds since the epoch."""

    def __init__(self, client: FeishuClient, inbox: Inbox, *, now: Callable[[], float] = time.time) -> None:
        self.client = client
        self._inbox = inbox
        self._now = now

    async def text(self, item: Item, text: str) -> Item:
        """
        Raises:
            CallFailed: it was not done (now).
            CannotTell: whether it was done before.
        """
        if item.form != "text" or item.said != text:
            # settled before it is sent: who comes after a crash says this, and nothing else
            item = await self._inbox.change(item, form="text", said=text, state="answered")
        return await self.reply(item, _plain(text))

    async def refused(self, item: Item, language: Language) -> Item:
        """What was to be said is not let through: that at least is told; raises as `text`."""
        item = await self._inbox.change(item, sending_at=None)
        return await self.reply(item, _plain(say("refused_content", language)), part="refused")

    async def notice(self, item: Item, text: str) -> None:
        """Beside a reply that may be there already; raises `CallFailed`."""
        await self.beside(item, text, uuid=uuid_of(item, "notice"))

    async def beside(self, item: Item, text: str, *, uuid: str) -> None:
        """One more reply to the item's message; raises `CallFailed`."""
        await self.client.reply(str(item.message_id), _plain(text), uuid=uuid, chat_id=item.chat_id)

    async def card(self, item: Item, card: Card) -> Item:
        """A card that is a message of its own; raises as `text`."""
        return await self.reply(await self._in_form(item, "card"), Content.card(card))

    async def reply(self, item: Item, content: Content, *, part: str = "") -> Item:
        """To somebody's message, once, in the form that the item has (or as another `part`); raises as `text`."""
        if item.reply_id:
            return item
        sent_before = item.sending_at
        if item.sending_at is not None and not 0 <= self._now() - item.sending_at <= HONOURED_S:
            if found := await self._own_reply(item):
                return await self._inbox.change(item, reply_id=found)
            item = await self._inbox.change(item, sending_at=self._now())
        elif item.sending_at is None:
            item = await self._inbox.change(item, sending_at=self._now())
        try:
            reply_id = await self._sent(item, content, part or item.form)
        except CallFailed as error:
            if item.sending_at != sent_before and not error.is_unsure:
                # nothing has gone out: who tries again after the hour need not look for it, nor wonder
                await self._inbox.change(item, sending_at=None)
            raise
        return await self._inbox.change(item, reply_id=reply_id)

    async def _sent(self, item: Item, content: Content, part: str) -> str:
        """The id of the reply; of a message of its own where Feishu takes no reply."""
        try:
            return await self.client.reply(
                str(item.message_id),
                content,
                uuid=uuid_of(item, part),
                chat_id=item.chat_id,
                in_thread=bool(item.event.get("thread_id")),
            )
        except NoReply as error:
            logger.warning("item %d: it is answered in a message of its own: %s", item.id, error)
            return await self.client.send(item.chat_id, content, uuid=uuid_of(item, f"{part}-apart"))

    async def answer(self, item: Item, shown: AnswerShown, numbers: Numbers) -> Item:
        """
        The answer as a card; where Feishu does not take it, as rich text, and where it does not take that, as text.

        Raises as `text`.
        """
        is_uncertain = item.sending_at is not None and item.reply_id is None
        if item.form in ("", "card"):
            item = await self._in_form(item, "card")
            try:
                return await self._answer_card(item, answer_card(shown), numbers)
            except (ContentRefused, CardProblem) as error:
                if is_uncertain and (found := await self._own_reply(item)):
                    item = await self._inbox.change(item, reply_id=found)
                # who was overtaken by another process learns it here, before a second answer goes out
                item = await self._inbox.change(item, form="post", sending_at=None)
                logger.warning("item %d: the card is not taken (%s): the answer goes out as rich text", item.id, error)
        if item.form == "post" and item.card_id:
            item = await self._leave_card(item, shown, numbers)
        if item.form == "post":
            try:
                return await self.reply(item, Content.post(answer_post(shown)))
            except ContentRefused as error:
                logger.warning("item %d: rich text is not taken (%s): the answer goes out as text", item.id, error)
                item = await self._inbox.change(item, form="text", sending_at=None)
        try:
            return await self.reply(item, _plain(answer_text(shown)))
        except ContentRefused as error:
            logger.warning("item %d: nor is text taken: %s", item.id, error)
            return await self.refused(item, shown.language)

    async def replace(self, item: Item, card: Card, numbers: Numbers) -> None:
        """
        What the item's card shows from now on; it is no longer streamed into.

        Raises:
            CallFailed: it was not done; `CardProblem` where trying again would not help, but another form may.
        """
        card_id = str(item.card_id)
        with _for_want_of_a_card():
            try:
                number = numbers.next()
                await self.client.set_streaming(card_id, False, sequence=number, uuid=uuid_of(item, f"off-{number}"))
            except CardProblem as error:
                logger.debug("item %d: the card was not open: %s", item.id, error)
            number = numbers.next()
            await self.client.replace_card(card_id, card, sequence=number, uuid=uuid_of(item, f"card-{number}"))

    async def _answer_card(self, item: Item, card: Card, numbers: Numbers) -> Item:
        if item.card_id is None:
            # nothing was streamed: the card is as it will stay before anybody sees it
            with _for_want_of_a_card():
                card_id = await self.client.create_card(card)
            item = await self._inbox.change(item, card_id=card_id)
            return await self.reply(item, Content.card_id(card_id))
        item = await self.reply(item, Content.card_id(item.card_id))
        await self.replace(item, card, numbers)
        return item

    async def _leave_card(self, item: Item, shown: AnswerShown, numbers: Numbers) -> Item:
        """The answer will be another message; a card that is to be seen says so, if it still can."""
        if item.reply_id and item.card_id:
            try:
                await self.replace(item, note_card(shown.language, say("follows", shown.language)), numbers)
            except PlatformUnavailable:
                raise
            except CallFailed as error:
                logger.info("item %d: its card stays as it is: %s", item.id, error)
        return await self._inbox.change(item, card_id=None, reply_id=None)

    async def _in_form(self, item: Item, form: str) -> Item:
        return item if item.form == form else await self._inbox.change(item, form=form)

    async def _own_reply(self, item: Item) -> str | None:
        """
        Raises:
            CannotTell: the chat cannot be read, or it holds several messages that may be it.
        """
        thread = str(item.event.get("thread_id") or "")
        found = []
        try:
            async for message in self.client.messages(
                thread or item.chat_id,
                kind="thread" if thread else "chat",
                since_s=item.created_ms // 1000 - _LOOK_BACK_S,
                until_s=int(self._now()) + _LOOK_BACK_S,
            ):
                is_mine = message.sender_type == "app" and message.sender_id == self.client.credentials.app_id
                is_mine = is_mine and message.msg_type == _TYPES.get(item.form)
                # in a thread every message hangs on the first one
                is_it = message.parent_id == item.message_id or bool(thread and self._may_be(item, message.created_ms))
                if is_mine and is_it and not message.deleted and await self._inbox.of_reply(message.message_id) is None:
                    found.append(message.message_id)
        except (PlatformUnavailable, MessageGone):
            raise
        except CallFailed as error:
            raise CannotTell(str(error)) from error
        if len(found) > 1:
            raise CannotTell("there are several messages of mine that may be the answer")
        return found[0] if found else None

    def _may_be(self, item: Item, created_ms: int) -> bool:
        """By its time, and the two clocks may differ a little."""
        return created_ms / 1000 >= (item.sending_at or 0) - _LOOK_BACK_S


def _plain(text: str) -> Content:
    return Content.text(without_mentions(text[:_MAX_TEXT]))


@contextmanager
def _for_want_of_a_card() -> Iterator[None]:
    """
    Raises:
        CardProblem: cards are not allowed, or something is wrong with this one that nobody has told of before.
    """
    try:
        yield
    except CallFailed as error:
        if error.code == LACKS_PERMISSION or type(error) is CallFailed:
            raise CardProblem(str(error), code=error.code, log_id=error.log_id) from error
        raise


def uuid_of(item: Item, part: str) -> str:
    """The same for the same thing said, also after a crash, and of no other; at most 50 characters, as Feishu wants."""
    # a database that was begun anew counts from 1 again, so the event has its part in it
    event = hashlib.sha256(item.event_id.encode()).hexdigest()[:16]
    return f"lw-{item.id}-{event}-{part}"[:50]
