"""What is done about an item of the inbox; every step may be repeated after a crash."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from app.feishu import events
from app.feishu.asking import RECALLED, STOPPED, Asking
from app.feishu.attachments import Images, NotRecognised
from app.feishu.commands import STOP, Commands, command_of
from app.feishu.content import Said, mentions_of, said
from app.feishu.conversation import Conversations
from app.feishu.delivery import CannotTell, Deliverer, Numbers
from app.feishu.errors import (
    PASSING,
    CallFailed,
    ChatClosed,
    ContentRefused,
    MessageGone,
    Misconfigured,
    PlatformUnavailable,
    QuotaSpent,
    ResourceTooLarge,
)
from app.feishu.events import MessageReceived
from app.feishu.inbox import Inbox, Item
from app.feishu.offers import Offers
from app.feishu.texts import say, type_name
from chains.language import Language, language_of
from chains.rag import MAX_QUESTION
from ingest.errors import DocumentError

logger = logging.getLogger(__name__)
MAX_ATTEMPTS = 6
"""More than that an item is the reason why the service dies, or fails each time."""


class _Unread(Exception):
    """An image's text cannot be had; the message is for the person, in their language."""


@dataclass(frozen=True, slots=True)
class Bot:
    """`me` is the bot's own open_id."""

    me: str
    inbox: Inbox
    deliverer: Deliverer
    conversations: Conversations
    commands: Commands
    asking: Asking
    images: Images
    offers: Offers
    usual: Language
    """Spoken where nobody has written a word yet."""

    async def handle(self, item: Item, numbers: Numbers) -> None:
        """
        Do what is to be done, to its end; `numbers` are this attempt's.

        Raises:
            CallFailed: it cannot be done now.
            TakenOver: somebody else does it.
        """
        if not self.is_meant_by(item):
            await self.inbox.remove([item])
            return
        try:
            try:
                outcome = await self._handled(item, numbers)
            except CannotTell as error:
                outcome = await self._say_unsure(item, error)
        except (ChatClosed, MessageGone, ContentRefused) as error:
            logger.warning("item %d ends without an answer: %s", item.id, error)
            if isinstance(error, ContentRefused):
                await self._say_refused(item)
            await self.inbox.change(item, state="failed", outcome=str(error)[:200])
            return
        values = {"outcome": outcome[:200]} if outcome else {}
        await self.inbox.change(item, state="done", **values)

    def is_meant_by(self, item: Item) -> bool:
        """Not by what people of a group say to each other, which is kept only while the bot does not know itself."""
        if item.kind not in ("message", "stop"):
            return True
        message = events.message_from(item.event)
        return not message.is_in_group or mentions_of(self.me, message.mentions)

    async def give_up(self, item: Item, numbers: Numbers, why: str) -> None:
        """
        The person is told that there will be no answer.

        Raises:
            CallFailed: not now.
        """
        if item.kind == "click":
            await self._give_up_click(item, numbers)
        if item.kind == "message":
            language = await self._language(item, item.question)
            try:
                item = await self.asking.tell(item, language, say("failed", language), numbers)
            except PASSING:
                raise
            except (CallFailed, CannotTell) as error:
                logger.warning("item %d: nobody could be told that it failed: %s", item.id, error)
        await self.inbox.change(item, state="failed", outcome=why[:200])

    async def _give_up_click(self, click: Item, numbers: Numbers) -> None:
        """The card shows the last answer again; a file is offered as before."""
        target = await self.inbox.get(int(click.event["value"]["turn"]))
        if target is None:
            return
        try:
            if click.event["value"].get("action") == "regenerate":
                await self.asking.restore(target, numbers)
            else:
                await self.offers.offer_again(target, await self._language(target, ""))
        except PlatformUnavailable:
            raise
        except CallFailed as error:
            logger.warning("item %d: its card stays as it is: %s", target.id, error)

    async def refuse(self, item: Item, waiting: int) -> None:
        """
        The person is told that too many questions wait already.

        Raises:
            CallFailed: not now.
        """
        language = await self._language(item, "")
        state, outcome = "done", "too many waited"
        try:
            item = await self.deliverer.text(item, say("too_many", language, waiting))
        except PlatformUnavailable:
            raise
        except (CallFailed, CannotTell) as error:
            state, outcome = "failed", str(error)[:200]
        fresh = await self.inbox.get(item.id)
        if fresh is not None:
            await self.inbox.change(fresh, state=state, outcome=outcome)

    async def _handled(self, item: Item, numbers: Numbers) -> str:
        """What is noted of it; empty where that was done."""
        match item.kind:
            case "message":
                return await self._message(item, events.message_from(item.event), numbers)
            case "stop":
                return await self._stop(item)
            case "recall":
                self.asking.stop_answer_to(str(item.event["message_id"]))
                return ""
            case "click":
                return await self._click(item, numbers)
            case other:
                return f"nothing is done about {other}"

    async def _message(self, item: Item, message: MessageReceived, numbers: Numbers) -> str:
        if item.outcome == RECALLED:
            await self.asking.drop(item, await self._language(item, item.question), numbers)
            return RECALLED
        if item.state == "answered" and not item.answers:
            await self.asking.tell(item, await self._language(item, item.question), item.said, numbers)
            return ""
        if item.state == "answered":
            await self.asking.ask(item, item.question, numbers)
            return ""
        match message.msg_type:
            case "text" | "post" | "image":
                return await self._said(item, message, numbers)
            case "merge_forward":
                return await self._forwarded(item, message, numbers)
            case "file":
                await self.offers.offer(item, await self._language(item, ""))
                return ""
            case other:
                language = await self._language(item, "")
                await self.deliverer.text(item, say("not_supported", language, type_name(other, language)))
                return f"a message of type {other[:32]}"

    async def _said(self, item: Item, message: MessageReceived, numbers: Numbers) -> str:
        words = said(message.msg_type, message.content, message.mentions, me=self.me) or Said()
        if command := command_of(words.text):
            # a Chinese argument is a word of the person's; a Latin one is the name of a collection in any language
            own_words = command.argument if language_of(command.argument) == "zh" else ""
            language = await self._language(item, own_words)
            await self.deliverer.text(item, await self.commands.carry_out(command, item, language))
            return f"/{command.name}"
        if not words.images:
            return await self._question(item, words.text, numbers)
        language = await self._language(item, words.text)
        try:
            read = await self._read(item, message, words, language)
        except _Unread as error:
            if words.text:
                return await self._question(item, words.text, numbers, remark=say("image_unread", language))
            await self.asking.tell(item, language, str(error), numbers)
            return "an image without text"
        return await self._question(item, f"{words.text}\n{read}".strip()[:MAX_QUESTION], numbers)

    async def _question(self, item: Item, text: str, numbers: Numbers, *, remark: str = "") -> str:
        language = await self._language(item, text)
        if not text:
            await self.asking.tell(item, language, say("empty", language), numbers)
            return "nothing was said"
        if len(text) > MAX_QUESTION:
            too_long = say("too_long", language, len(text), MAX_QUESTION)
            await self.asking.tell(item, language, too_long, numbers)
            return "too long"
        await self.asking.ask(item, text, numbers, remark=remark)
        return ""

    async def _read(self, item: Item, message: MessageReceived, words: Said, language: Language) -> str:
        """
        The images' text.

        Raises:
            _Unread: there is none.
        """
        try:
            return await self.images.text(message.message_id, words.images)
        except NotRecognised as error:
            raise _Unread(say("no_ocr", language)) from error
        except ResourceTooLarge as error:
            raise _Unread(say("image_too_large", language, self.images.max_mb)) from error
        except (PlatformUnavailable, QuotaSpent):
            raise
        except Misconfigured as error:  # not waited for: the conversation would wait with it
            logger.warning("item %d: an image cannot be fetched: %s", item.id, error)
            raise _Unread(say("not_permitted", language)) from error
        except (DocumentError, CallFailed) as error:
            logger.warning("item %d: an image cannot be read: %s", item.id, error)
            raise _Unread(say("image_damaged", language)) from error

    async def _forwarded(self, item: Item, message: MessageReceived, numbers: Numbers) -> str:
        """The messages of a bundle as one text, as far as a question may be long."""
        try:
            children = (await self.deliverer.client.message(message.message_id))[1:]
        except (PlatformUnavailable, QuotaSpent):  # and not for a permission: to read groups takes one that few grant
            raise
        except CallFailed as error:
            logger.warning("item %d: a bundle of messages cannot be read: %s", item.id, error)
            await self.deliverer.text(item, say("forward_unread", await self._language(item, "")))
            return "a bundle that cannot be read"
        read = [said(one.msg_type, one.content, one.mentions, me=self.me) for one in children]
        text = "\n".join(one.text for one in read if one and one.text)
        return await self._question(item, text[:MAX_QUESTION], numbers)

    async def _stop(self, item: Item) -> str:
        message = events.message_from(item.event)
        language = await self._language(item, "")
        stopped = self.asking.stop(message.session) or self.asking.stop_answer_to(message.root_id)
        stopped = stopped or await self._marked_stopped(item, message)
        await self.deliverer.text(item, say("stopping" if stopped else "nothing_runs", language))
        return f"/{STOP}"

    async def _marked_stopped(self, item: Item, message: MessageReceived) -> bool:
        """Of what is not being written here: what another process writes, or nobody yet."""
        first = await self.inbox.next_in(message.session)
        for one in (first, await self.inbox.of_message(message.root_id)):
            if one and one.id < item.id and one.state == "waiting" and one.kind in ("message", "click"):
                return one.outcome == STOPPED or await self.inbox.mark(one.id, STOPPED, instead_of="")
        return False

    async def _click(self, item: Item, numbers: Numbers) -> str:
        click = events.click_from(item.event)
        target = await self.inbox.get(int(click.value["turn"]))
        if target is None:
            return "what it is about is forgotten"
        if click.value.get("action") == "regenerate":
            await self.asking.ask_again(item, target, numbers)
        else:
            await self.offers.decide(item, target, await self._language(target, ""))
        return ""

    async def _say_refused(self, item: Item) -> None:
        """What was to be said is not let through."""
        if item.kind not in ("message", "stop"):
            return
        item = await self.inbox.latest(item)
        try:
            await self.deliverer.refused(item, await self._language(item, item.question))
        except (ChatClosed, MessageGone, ContentRefused, CannotTell) as error:
            logger.warning("item %d: nor can anybody be told: %s", item.id, error)

    async def _say_unsure(self, item: Item, error: CannotTell) -> str:
        """Rather than to answer twice."""
        logger.warning("item %d: whether it was answered cannot be told: %s", item.id, error)
        language = await self._language(item, item.question)
        await self.deliverer.notice(item, say("unsure", language))
        return "it may have been answered before"

    async def _language(self, item: Item, text: str) -> Language:
        """The asker's: of what is said now, else of what was asked before in this chat."""
        if text.strip():
            return language_of(text)
        return await self.conversations.language(item) or self.usual
