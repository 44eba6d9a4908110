"""A question on its way to an answer that stays in the chat; and again, where the answer was not good enough."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from app.database import Database
from app.feishu.answering import Asked, answer, keep
from app.feishu.cards import AnswerShown, answer_card, answer_text, note_card
from app.feishu.conversation import Conversations
from app.feishu.delivery import Deliverer, Numbers, uuid_of
from app.feishu.errors import CallFailed, CardProblem, ContentRefused, PlatformUnavailable
from app.feishu.inbox import Inbox, Item
from app.feishu.live import LiveCard, live
from app.feishu.showing import LinkOf, shown_answer
from app.feishu.texts import say
from app.feishu.wire import Content
from app.finishing import to_the_end
from app.services import Services
from chains.errors import ChainError
from chains.language import Language, language_of
from ingest.errors import IngestError, UnknownCollection
from models.errors import ModelError, QueueFull

logger = logging.getLogger(__name__)
MAX_ANSWERS = 4
"""To one question; each further one costs the model as much as a new question."""
RECALLED, STOPPED = "recalled", "stopped"
"""Outcomes of an item that is not to be answered any more, whichever process is about to."""
_LOOK_S = 1.0
_NO_ANSWER = (ModelError, IngestError, ChainError)


@dataclass(frozen=True, slots=True)
class _Running:
    """An answer that is being made; `message_id` is that of the question."""

    message_id: str
    stop: asyncio.Event


class Asking:
    """One for a process."""

    def __init__(
        self,
        services: Services,
        database: Database,
        inbox: Inbox,
        conversations: Conversations,
        deliverer: Deliverer,
        link_of: LinkOf,
    ) -> None:
        self._services = services
        self._database = database
        self._inbox = inbox
        self._conversations = conversations
        self._deliverer = deliverer
        self._link_of = link_of
        self._running: dict[str, _Running] = {}

    def stop(self, session: str) -> bool:
        """End the answer that is being made in this session; whether there was one."""
        running = self._running.get(session)
        if running:
            running.stop.set()
        return running is not None

    def stop_answer_to(self, message_id: str) -> bool:
        """End the answer to this message; whether it was being made."""
        found = [running for running in self._running.values() if running.message_id == message_id]
        for running in found:
            running.stop.set()
        return bool(found)

    async def ask(self, item: Item, question: str, numbers: Numbers, *, remark: str = "") -> Item:
        """
        Answer somebody's message; raises as `Deliverer.text`.
        """
        language = language_of(question)
        if item.state == "waiting":
            item = await self._inbox.change(item, question=question)
            if item.outcome == STOPPED:
                return await self.tell(item, language, say("stopped", language), numbers)
            card = LiveCard(self._deliverer, self._inbox, item, language, question, numbers)
            asked = Asked(
                question,
                await self._conversations.collection(item.chat_id),
                await self._conversations.history(item),
                remark=remark,
            )
            try:
                output = await self._answered(item, asked, card)
            except _NO_ANSWER as error:
                return await self.tell(card.item, language, _why(error, asked, language), numbers)
            outcome = await self._outcome(item)
            if outcome == RECALLED:
                return await self.drop(card.item, language, numbers)
            # who was told that it is stopped is not given all of it
            if not output.get("answer") or (outcome == STOPPED and not output["stopped"]):
                return await self.tell(card.item, language, say("stopped", language), numbers)
            item, _ = await keep(self._database, card.item, question, output)
        return await self._deliverer.answer(item, await self._shown(item), numbers)

    async def ask_again(self, click: Item, target: Item, numbers: Numbers) -> None:
        """
        Another answer in the same card, made with a wider search; the earlier ones stay below it.

        Raises as `Deliverer.text`.
        """
        language = language_of(target.question)
        failed = ""
        if click.state == "waiting" and click.outcome != STOPPED:
            last = (await self._outputs(target))[-1]
            card = LiveCard(self._deliverer, self._inbox, target, language, target.question, numbers)
            history = await self._conversations.history(target)
            asked = Asked(target.question, str(last["collection"]), history, attempt=len(target.answers))
            try:
                output = await self._answered(click, asked, card)
            except _NO_ANSWER as error:
                failed = _why(error, asked, language)
            else:
                if output.get("answer"):
                    click, target = await keep(self._database, click, target.question, output, of=target)
        try:
            await self.restore(target, numbers)
        except (ContentRefused, CardProblem) as error:
            logger.warning("item %d: its card cannot be changed: %s", target.id, error)
            failed = failed or answer_text(await self._shown(target))
            if click.state == "answered":
                await self._restore_earlier(target, numbers)
        if failed:
            await self._say_apart(click, target, failed)

    async def _restore_earlier(self, target: Item, numbers: Numbers) -> None:
        """The card, which holds what was streamed of the newest answer, shows those before it again."""
        try:
            await self.restore(replace(target, answers=target.answers[:-1]), numbers)
        except PlatformUnavailable:
            raise
        except CallFailed as error:
            logger.warning("item %d: its card stays as it is: %s", target.id, error)

    async def _say_apart(self, click: Item, target: Item, text: str) -> None:
        """What cannot be in the card."""
        try:
            await self._deliverer.beside(target, text, uuid=uuid_of(click, "text"))
        except ContentRefused as error:
            logger.warning("item %d: nor is text taken: %s", target.id, error)
            refused = say("refused_content", language_of(target.question))
            await self._deliverer.beside(target, refused, uuid=uuid_of(click, "refused"))

    async def restore(self, target: Item, numbers: Numbers) -> None:
        """
        The card shows the answers that there are.

        Raises:
            CallFailed: it cannot be changed (now).
        """
        await self._deliverer.replace(target, answer_card(await self._shown(target)), numbers)

    async def tell(self, item: Item, language: Language, text: str, numbers: Numbers) -> Item:
        """In the card that people see already, or as a text; raises as `Deliverer.text`."""
        if item.card_id is None:
            return await self._deliverer.text(item, text)
        item = await self._inbox.change(item, said=text, state="answered")
        try:
            item = await self._deliverer.reply(item, Content.card_id(str(item.card_id)))
            await self._deliverer.replace(item, note_card(language, text), numbers)
        except (CardProblem, ContentRefused) as error:
            logger.warning("item %d: its card cannot be changed: %s", item.id, error)
            item = await self._inbox.change(item, card_id=None, reply_id=None, sending_at=None)
            return await self._deliverer.text(item, text)
        return item

    async def _answered(self, item: Item, asked: Asked, card: LiveCard) -> dict[str, Any]:
        with self._one(item, str(card.item.message_id)) as stop:
            looking = asyncio.create_task(self._look_for_end(item, stop))
            try:
                async with live(card):
                    return await answer(self._services, item, asked, stop=stop, show=card.show)
            finally:
                looking.cancel()
                await asyncio.gather(looking, return_exceptions=True)

    async def _look_for_end(self, item: Item, stop: asyncio.Event) -> None:
        """Until it is cancelled: another process may be told that nobody wants the answer any more."""
        while not stop.is_set():
            await asyncio.sleep(_LOOK_S)
            with suppress(SQLAlchemyError, OSError):
                if await self._outcome(item) in (RECALLED, STOPPED):
                    stop.set()

    @contextmanager
    def _one(self, item: Item, message_id: str) -> Iterator[asyncio.Event]:
        running = _Running(message_id, asyncio.Event())
        self._running[item.session] = running
        try:
            yield running.stop
        finally:
            del self._running[item.session]

    async def _outcome(self, item: Item) -> str:
        """As it is now: it may have been marked meanwhile."""
        now = await self._inbox.get(item.id)
        return now.outcome if now else ""

    async def drop(self, item: Item, language: Language, numbers: Numbers) -> Item:
        """Nobody wants the answer any more; a card that is to be seen says why it ends."""
        if item.card_id and item.reply_id:
            try:
                await self._deliverer.replace(item, note_card(language, say("recalled", language)), numbers)
            except CardProblem as error:
                logger.info("item %d: its card stays as it is: %s", item.id, error)
        return item

    async def _outputs(self, item: Item) -> list[dict[str, Any]]:
        rows = [await to_the_end(self._database.answer(one)) for one in item.answers]
        return [row.output for row in rows if row is not None]

    async def _shown(self, item: Item) -> AnswerShown:
        """The newest of an item's answers, with those before it."""
        *earlier, newest = await self._outputs(item)
        # in a thread: for the links it asks the collection
        return await asyncio.to_thread(
            shown_answer,
            newest,
            question=item.question,
            turn=item.id,
            link_of=self._link_of,
            earlier=earlier,
        )


def _why(error: Exception, asked: Asked, language: Language) -> str:
    """What the asker is told."""
    if isinstance(error, UnknownCollection):
        return say("collection_missing", language, asked.collection)
    if isinstance(error, QueueFull):
        return say("busy", language)
    logger.warning("a question is not answered: %s", error)
    return say("failed", language)
