"""A file in a chat: offered for ingestion, and taken in after somebody has said yes."""

from __future__ import annotations

import logging
from pathlib import PurePosixPath

from app.feishu.answering import caller_of
from app.feishu.attachments import Files, why_not
from app.feishu.cards import note_card, offer_card
from app.feishu.content import attached
from app.feishu.conversation import Conversations
from app.feishu.delivery import Deliverer, uuid_of
from app.feishu.errors import (
    PASSING,
    CallFailed,
    CardProblem,
    ContentRefused,
    Misconfigured,
    PlatformUnavailable,
    QuotaSpent,
    ResourceTooLarge,
)
from app.feishu.inbox import Inbox, Item
from app.feishu.markup import without_mentions
from app.feishu.texts import say
from app.feishu.wire import Content
from app.uploads import UploadRefused
from chains.language import Language
from ingest.errors import IngestError
from ingest.loaders.table import readable_kinds, why_unread

logger = logging.getLogger(__name__)
OFFERED, TAKEN, DECLINED = "offered", "taken", "declined"


class Offers:
    """One for a process; `max_bytes` is what a file may have."""

    def __init__(
        self, deliverer: Deliverer, inbox: Inbox, conversations: Conversations, files: Files, *, max_bytes: int
    ) -> None:
        self._deliverer = deliverer
        self._inbox = inbox
        self._conversations = conversations
        self._files = files
        self._max_bytes = max_bytes

    async def offer(self, item: Item, language: Language) -> None:
        """
        Answer a message that is a file; raises as `Deliverer.text`.
        """
        file = attached(str(item.event["content"]))
        if why_unread(PurePosixPath(file.name).suffix):
            await self._deliverer.text(item, say("file_unsupported", language, file.name, readable_kinds()))
            return
        try:
            # Feishu says how large a file is only to whoever fetches it; what is too large is not read
            await self._deliverer.client.resource(str(item.message_id), file.key, "file", max_bytes=self._max_bytes)
        except ResourceTooLarge:
            await self._deliverer.text(item, self._too_large(file.name, language))
            return
        except (PlatformUnavailable, QuotaSpent):
            raise
        except Misconfigured as error:  # not waited for: the conversation would wait with it
            logger.warning("item %d: its file cannot be fetched: %s", item.id, error)
            await self._deliverer.text(item, say("not_permitted", language))
            return
        except CallFailed as error:
            logger.warning("item %d: its file cannot be fetched: %s", item.id, error)
            await self._deliverer.text(item, say("file_gone", language))
            return
        collection = await self._collection(item)
        # settled before it is sent: whatever the chat asks by then, the file goes where the card says
        item = await self._inbox.change(item, said=collection)
        item = await self._deliverer.card(item, offer_card(language, file.name, collection, str(item.id)))
        await self._inbox.change(item, outcome=OFFERED)

    async def decide(self, click: Item, offer: Item, language: Language) -> None:
        """
        Do what a button of the offer says; the first decision counts.

        Raises:
            CallFailed: it cannot be done now.
        """
        file = attached(str(offer.event["content"]))
        wanted = DECLINED if click.event["value"].get("action") == "decline" else TAKEN
        decision = f"{wanted} by {click.id}"
        if offer.outcome != decision and not await self._inbox.mark(offer.id, decision, instead_of=OFFERED):
            return
        if wanted == DECLINED:
            await self._show(click, offer, language, say("file_refused", language, file.name), part="refused")
            return
        collection = await self._collection(offer)
        running = say("file_running", language, file.name, collection)
        await self._show(click, offer, language, running, part="running")
        ended = await self._taken(click, offer, collection, language)
        await self._show(click, offer, language, ended, part="ended")

    async def offer_again(self, offer: Item, language: Language) -> None:
        """
        What was decided could not be done: somebody may decide anew.

        Raises:
            CallFailed: the card cannot be changed (now).
        """
        file = attached(str(offer.event["content"]))
        collection = await self._collection(offer)
        card = offer_card(language, file.name, collection, str(offer.id))
        await self._inbox.mark(offer.id, OFFERED, instead_of=offer.outcome)
        await self._deliverer.client.patch_card(str(offer.reply_id), card, chat_id=offer.chat_id)

    async def _collection(self, offer: Item) -> str:
        """The one that the file is offered to; before it is offered, the chat's."""
        return offer.said or await self._conversations.collection(offer.chat_id)

    async def _taken(self, click: Item, offer: Item, collection: str, language: Language) -> str:
        """What has become of it."""
        file = attached(str(offer.event["content"]))
        caller = caller_of(click.person)
        try:
            job = await self._files.ingest(click, str(offer.message_id), file.key, file.name, collection, caller)
        except ResourceTooLarge:
            return self._too_large(file.name, language)
        except PASSING:
            raise
        except CallFailed as error:
            logger.warning("item %d: its file cannot be fetched: %s", offer.id, error)
            return say("file_gone", language)
        except (UploadRefused, IngestError) as error:
            return say("file_failed", language, file.name, str(error))
        if reason := why_not(job):
            return say("file_failed", language, file.name, reason)
        return say("file_done", language, file.name, collection)

    async def _show(self, click: Item, offer: Item, language: Language, text: str, *, part: str) -> None:
        """In the offer's card, or as a text where that cannot be changed any more."""
        client, card = self._deliverer.client, note_card(language, text, title="file_title")
        try:
            await client.patch_card(str(offer.reply_id), card, chat_id=offer.chat_id)
        except (CardProblem, ContentRefused) as error:
            logger.warning("item %d: its card cannot be changed: %s", offer.id, error)
            content, uuid = Content.text(without_mentions(text)), uuid_of(click, part)
            await client.reply(str(offer.message_id), content, uuid=uuid, chat_id=offer.chat_id)

    def _too_large(self, name: str, language: Language) -> str:
        return say("too_large", language, name, self._max_bytes // 2**20)
