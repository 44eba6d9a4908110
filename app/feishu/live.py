"""An answer that is seen while it is written: one writer a card, always the whole text so far, a few times a second."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from app.feishu.cards import ANSWER, streaming_card
from app.feishu.delivery import CannotTell, Deliverer, Numbers, uuid_of
from app.feishu.errors import CallFailed
from app.feishu.inbox import Inbox, Item
from app.feishu.markup import answer_markup
from app.feishu.wire import Content
from chains.language import Language

logger = logging.getLogger(__name__)
_EVERY_S = 0.35
"""At most five changes a second: three of the text, and two at its end."""


class LiveCard:
    """
    Give it the text so far with `show`; what is seen may lag, and where Feishu does not play along nothing is lost:
    the answer itself is sent at its end.

    `item` is the message that is answered, as far as it has come.
    """

    def __init__(
        self, deliverer: Deliverer, inbox: Inbox, item: Item, language: Language, question: str, numbers: Numbers
    ) -> None:
        self.item = item
        self._deliverer = deliverer
        self._inbox = inbox
        self._language = language
        self._question = question
        self._numbers = numbers
        self._text = ""
        self._changed = asyncio.Event()
        self._is_over = asyncio.Event()

    def show(self, text: str) -> None:
        self._text = text
        self._changed.set()

    def end(self) -> None:
        """Nothing more is shown."""
        self._is_over.set()
        self._changed.set()

    async def write(self) -> None:
        """Until it is over, or Feishu refuses."""
        try:
            await self._changed.wait()
            if not self._is_over.is_set():
                await self._open()
                await self._pause()
            while not self._is_over.is_set():
                await self._changed.wait()
                self._changed.clear()
                await self._write_text()
                await self._pause()
        except (CallFailed, CannotTell) as error:
            logger.info("item %d is not shown while it is written: %s", self.item.id, error)

    async def _write_text(self) -> None:
        number = self._numbers.next()
        uuid = uuid_of(self.item, f"text-{number}")
        text = answer_markup(self._text)
        await self._deliverer.client.stream_text(str(self.item.card_id), ANSWER, text, sequence=number, uuid=uuid)

    async def _pause(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_EVERY_S):
                await self._is_over.wait()

    async def _open(self) -> None:
        card = streaming_card(self._language, self._question, answer_markup(self._text))
        if self.item.reply_id and self.item.card_id:
            # begun before a crash, or an answer that is written anew: it goes on in the same card
            number = self._numbers.next()
            uuid = uuid_of(self.item, f"card-{number}")
            await self._deliverer.client.replace_card(self.item.card_id, card, sequence=number, uuid=uuid)
            return
        if self.item.card_id is None:
            card_id = await self._deliverer.client.create_card(card)
            self.item = await self._inbox.change(self.item, card_id=card_id, form="card")
        self.item = await self._deliverer.reply(self.item, Content.card_id(str(self.item.card_id)))


@asynccontextmanager
async def live(card: LiveCard) -> AsyncIterator[LiveCard]:
    """Its writer runs meanwhile; afterwards nobody else writes into the card, and `card.item` is as it was left."""
    writing = asyncio.create_task(card.write())
    try:
        yield card
        # what is under way is let finish: of a card or reply that was cut off nobody would know whether it is there
        card.end()
        await writing
    finally:
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)
