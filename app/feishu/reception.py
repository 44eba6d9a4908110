"""What is done about an event before Feishu is answered: it is kept, and of a click the person is told what it did."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from app.database import Database
from app.feishu import events
from app.feishu.answering import caller_of
from app.feishu.asking import MAX_ANSWERS, RECALLED
from app.feishu.commands import STOP, command_of
from app.feishu.content import mentions_of, said
from app.feishu.errors import InboxUnavailable
from app.feishu.events import Clicked, MessageReceived, Reacted, Recalled, Unneeded
from app.feishu.inbox import ASIDE, Arrival, Inbox, Item
from app.feishu.texts import Key, say
from chains.language import Language

logger = logging.getLogger(__name__)
RATINGS = {
    "THUMBSUP": "up",
    "ThumbsUp": "up",
    "OK": "up",
    "DONE": "up",
    "HEART": "up",
    "APPLAUSE": "up",
    "THANKS": "up",
    "Yes": "up",
    "ThumbsDown": "down",
    "THUMBSDOWN": "down",
    "No": "down",
    "ERROR": "down",
}
"""Emojis on an answer that say what somebody thinks of it."""
_LANGUAGES: tuple[Language, ...] = ("zh", "en")
_BUTTONS = {"thumbs_up": "up", "thumbs_down": "down"}


class Reception:
    """
    A `Receiver`; `me` gives the bot's own open_id, empty as long as it is not known.
    """

    def __init__(self, inbox: Inbox, database: Database, me: Callable[[], str]) -> None:
        self._inbox = inbox
        self._database = database
        self._me = me

    async def receive(self, payload: dict[str, Any]) -> dict[str, Any]:
        """
        When this returns the event is on the disk, once, however often it comes.

        Raises:
            InboxUnavailable: it could not be kept.
        """
        event = events.event_of(payload)
        try:
            match event:
                case MessageReceived():
                    await self._message(event)
                case Clicked():
                    return await self._click(event)
                case Reacted():
                    await self._reaction(event)
                case Recalled():
                    await self._recall(event)
                case Unneeded():
                    level = logging.WARNING if event.is_unread else logging.INFO
                    logger.log(level, "nothing is done about %s", event.why)
        except (SQLAlchemyError, OSError) as error:
            logger.critical("the inbox cannot be read or written (%s)", str(error).partition("\n")[0])
            raise InboxUnavailable("the inbox cannot be read or written") from error
        return {}

    async def _message(self, event: MessageReceived) -> None:
        me = self._me()
        if event.is_in_group and me and not mentions_of(me, event.mentions):
            return
        words = said(event.msg_type, event.content, event.mentions, me=me)
        command = command_of(words.text) if words else None
        # what ends an answer must not wait behind it
        is_stop = command is not None and command.name == STOP
        await self._inbox.accept(
            Arrival(
                event_id=event.event_id,
                message_id=event.message_id,
                kind="stop" if is_stop else "message",
                session=f"{event.session}{ASIDE}stop" if is_stop else event.session,
                chat_id=event.chat_id,
                person=event.person,
                created_ms=event.created_ms,
                event=events.as_json(event),
            )
        )

    async def _recall(self, event: Recalled) -> None:
        """A question that is taken back is not answered, if it is not too late."""
        item = await self._inbox.of_message(event.message_id)
        if item is None:
            return
        if item.state == "waiting":
            await self._inbox.mark(item.id, RECALLED, instead_of="")
        await self._inbox.accept(
            Arrival(
                event_id=event.event_id,
                kind="recall",
                session=f"{item.session}{ASIDE}recall",
                chat_id=item.chat_id,
                person=item.person,
                created_ms=event.created_ms,
                event=events.as_json(event),
            )
        )

    async def _reaction(self, event: Reacted) -> None:
        rating = RATINGS.get(event.emoji)
        item = await self._inbox.of_reply(event.message_id) if rating else None
        if item is None or not item.answers or rating is None:
            return
        arrival = Arrival(
            event_id=event.event_id,
            kind="reaction",
            session=item.session,
            chat_id=item.chat_id,
            person=event.person,
            created_ms=event.created_ms,
            event=events.as_json(event),
            state="done",
            outcome=rating,
        )
        await self._rate(arrival, item.answers[-1], rating)

    async def _click(self, event: Clicked) -> dict[str, Any]:
        target = await self._target(event)
        if isinstance(target, dict):
            return target
        match event.value.get("action"):
            case "thumbs_up" | "thumbs_down" as action:
                return await self._rated(event, target, action)
            case "regenerate":
                return await self._regenerate(event, target)
            case "ingest" | "decline":
                await self._inbox.accept(_click_arrival(event, target, f"{target.session}{ASIDE}file-{target.id}"))
                return {}
            case _:
                return _toast("warning", "unknown_button")

    async def _target(self, event: Clicked) -> Item | dict[str, Any]:
        """The message whose card was clicked, or why it is not served: a card may be forwarded, and be forged."""
        turn = event.value.get("turn", "")
        target = await self._inbox.get(int(turn)) if turn.isdecimal() and len(turn) < 10 else None
        if target is None or target.reply_id is None:
            return _toast("warning", "unknown_button")
        if event.message_id != target.reply_id or event.chat_id != target.chat_id:
            return _toast("warning", "not_here")
        return target

    async def _rated(self, event: Clicked, target: Item, action: str) -> dict[str, Any]:
        answer_id = event.value.get("answer_id", "")
        if answer_id not in target.answers:
            return _toast("warning", "unknown_button")
        rating = _BUTTONS[action]
        arrival = _click_arrival(event, target, target.session, state="done", outcome=rating)
        await self._rate(arrival, answer_id, rating)
        return _toast("success", "thanks_up" if rating == "up" else "thanks_down")

    async def _regenerate(self, event: Clicked, target: Item) -> dict[str, Any]:
        if not target.answers or target.card_id is None:
            return _toast("warning", "unknown_button")
        if len(target.answers) >= MAX_ANSWERS:
            return _toast("info", "no_more", MAX_ANSWERS)
        if await self._inbox.knows(event.event_id):
            return _toast("info", "regenerating")
        open_ones, ended = await self._inbox.clicks_for_another(target)
        if open_ones:
            return _toast("info", "regenerating_already")
        # of two clicks at the same moment the second finds this name taken
        name = f"regenerate-{target.id}-{ended}"
        is_first = await self._inbox.accept(_click_arrival(event, target, target.session, name=name))
        return _toast("info", "regenerating" if is_first else "regenerating_already")

    async def _rate(self, arrival: Arrival, answer_id: str, rating: str) -> None:
        """The last word that came counts; a word that comes again does not come last by that."""
        if await self._inbox.knows(arrival.event_id):
            return
        # in this order: what a crash leaves undone is done when Feishu sends the event again
        caller = caller_of(arrival.person)
        await self._database.save_feedback(answer_id, caller=caller, rating=rating, comment=None)
        await self._inbox.accept(arrival)


def _click_arrival(
    event: Clicked, target: Item, session: str, *, state: str = "waiting", outcome: str = "", name: str | None = None
) -> Arrival:
    return Arrival(
        event_id=event.event_id,
        kind="click",
        session=session,
        chat_id=target.chat_id,
        person=event.person,
        created_ms=event.created_ms,
        event=events.as_json(event),
        message_id=name,
        state=state,
        outcome=outcome,
    )


def _toast(kind: str, key: Key, *values: object) -> dict[str, Any]:
    """A line that the person who clicked sees for a moment, in the language of their client."""
    zh, en = (say(key, language, *values) for language in _LANGUAGES)
    return {"toast": {"type": kind, "content": zh, "i18n": {"zh_cn": zh, "en_us": en}}}
