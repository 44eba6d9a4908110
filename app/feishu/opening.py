"""Feishu's part of the service, from the settings: the door first, as soon as the database is there; the bot later."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from app.database import Database, open_database
from app.feishu.asking import Asking
from app.feishu.attachments import Files, Images
from app.feishu.bot import Bot
from app.feishu.client import FeishuClient, open_client
from app.feishu.commands import Commands
from app.feishu.conversation import Conversations
from app.feishu.credentials import Credentials
from app.feishu.deliveries import Keys
from app.feishu.delivery import Deliverer
from app.feishu.errors import CallFailed, Misconfigured
from app.feishu.inbox import Inbox, open_inbox
from app.feishu.links import original_link
from app.feishu.longconn import LongConnection
from app.feishu.offers import Offers
from app.feishu.receiving import FeishuDoor
from app.feishu.reception import Reception
from app.feishu.sessions import Pace, Sessions
from app.feishu.showing import LinkOf, page_of
from app.originals import OriginalMissing
from app.services import Services
from app.settings import Settings, SettingsError
from app.uploads import MIB
from ingest.errors import IngestError

logger = logging.getLogger(__name__)
_AGAIN_S = 10.0
_PATIENCE_S = 10.0
"""The start waits no longer for Feishu."""


def check_feishu(settings: Settings) -> None:
    """
    Raises:
        SettingsError: the settings ask for a bot and do not say everything that it needs.
    """
    given = {
        "FEISHU_APP_ID": settings.feishu_app_id,
        "FEISHU_APP_SECRET": settings.feishu_app_secret.get_secret_value(),
        "FEISHU_ENCRYPT_KEY": settings.feishu_encrypt_key.get_secret_value(),
        "FEISHU_VERIFICATION_TOKEN": settings.feishu_verification_token.get_secret_value(),
    }
    if not any(given.values()):
        return
    needed = list(given) if settings.feishu_transport == "webhook" else list(given)[:2]
    for name in needed:
        if not given[name].strip():
            raise SettingsError(f"LARKWISE_{name} is not set: {_WHERE[name]}")
        if given[name] != given[name].strip():
            raise SettingsError(f"LARKWISE_{name} begins or ends with a blank: copy it again without")


_WHERE = {
    "FEISHU_APP_ID": "the other LARKWISE_FEISHU_… variables need it; it is in the developer console under Credentials",
    "FEISHU_APP_SECRET": "it is in the developer console under Credentials, beside the app's id",
    "FEISHU_ENCRYPT_KEY": "the webhook takes signed and encrypted events only; set one in the developer console under "
    "Events and callbacks, Encryption strategy (or set LARKWISE_FEISHU_TRANSPORT=ws, which needs none)",
    "FEISHU_VERIFICATION_TOKEN": "it is in the developer console under Events and callbacks, Encryption strategy",
}


class Feishu:
    """The open door; `working` puts the bot behind it."""

    def __init__(
        self, settings: Settings, database: Database, inbox: Inbox, client: FeishuClient, counted: Callable[[str], None]
    ) -> None:
        self._settings = settings
        self._database = database
        self._inbox = inbox
        self._client = client
        self._me = ""
        self.counted = counted
        self.reception = Reception(inbox, database, lambda: self._me)

    def door(self) -> FeishuDoor | None:
        """The webhook's, to be asked for once; where events come over a connection of ours there is none."""
        if self._settings.feishu_transport != "webhook":
            return None
        keys = Keys(
            self._settings.feishu_app_id,
            self._settings.feishu_encrypt_key.get_secret_value(),
            self._settings.feishu_verification_token.get_secret_value(),
        )
        return FeishuDoor(keys, self.reception, self.counted)

    async def meet(self) -> None:
        """
        Learn who we are at Feishu; where it does not answer now, that is said, and it is asked again later.

        Raises:
            SettingsError: Feishu does not know the app, or not with this secret.
        """
        try:
            async with asyncio.timeout(_PATIENCE_S):
                self._me = (await self._client.bot_info()).open_id
        except Misconfigured as error:
            raise SettingsError(str(error)) from error
        except (CallFailed, TimeoutError) as error:
            logger.warning("Feishu cannot be asked now (%s): events are kept, and answered when it can", error)

    @asynccontextmanager
    async def working(self, services: Services, pace: Pace | None = None) -> AsyncIterator[None]:
        """Answer what is in the inbox meanwhile."""
        running = asyncio.create_task(self._work(services, pace or Pace()))
        try:
            yield
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Hear events over a connection of ours meanwhile, where the settings say so."""
        if self._settings.feishu_transport != "ws":
            yield
            return
        connection = LongConnection(
            self._client.credentials,
            self.reception,
            asyncio.get_running_loop(),
            counted=self.counted,
        )
        connection.start()
        try:
            yield
        finally:
            await asyncio.to_thread(connection.stop)

    async def _work(self, services: Services, pace: Pace) -> None:
        while not self._me:
            try:
                await self.meet()
            except SettingsError as error:
                logger.error("the bot cannot answer: %s", error)  # noqa: TRY400 - a sentence for people
            if not self._me:
                await asyncio.sleep(_AGAIN_S)
        await Sessions(self._bot(services), self._inbox, pace).run()

    def _bot(self, services: Services) -> Bot:
        conversations = Conversations(self._database)
        deliverer = Deliverer(self._client, self._inbox)
        max_bytes = self._settings.feishu_max_file_mb * MIB
        links = link_of(services)
        return Bot(
            me=self._me,
            inbox=self._inbox,
            deliverer=deliverer,
            conversations=conversations,
            commands=Commands(conversations, services.collections, links),
            asking=Asking(services, self._database, self._inbox, conversations, deliverer, links),
            images=Images(self._client, max_bytes=max_bytes),
            offers=Offers(
                deliverer,
                self._inbox,
                conversations,
                Files(self._client, services, max_bytes=max_bytes),
                max_bytes=max_bytes,
            ),
            usual="en" if "larksuite" in self._settings.feishu_domain else "zh",
        )


@asynccontextmanager
async def open_feishu(settings: Settings, counted: Callable[[str], None]) -> AsyncIterator[Feishu | None]:
    """
    None where the settings name no app. `counted` is told how each event fared.

    Raises:
        SettingsError: something that is needed is not set, or Feishu does not accept it.
        DatabaseUnavailable: it cannot be opened.
    """
    check_feishu(settings)
    if not settings.feishu_app_id:
        yield None
        return
    secret = settings.feishu_app_secret.get_secret_value()
    credentials = Credentials(settings.feishu_app_id, secret, settings.feishu_domain)
    database = await open_database(settings.database)
    try:
        async with open_inbox(database) as inbox, open_client(credentials) as client:
            yield Feishu(settings, database, inbox, client, counted)
    finally:
        await database.close()


def link_of(services: Services) -> LinkOf:
    """Where people can read a document: the page it was read from, or the original that was uploaded."""
    settings = services.settings
    secret = settings.feishu_app_secret.get_secret_value()

    def link(collection: str, document_id: str) -> str:
        try:
            document = services.collections.open(collection).document(document_id)
        except IngestError:
            return ""
        if document is None:
            return ""
        if page := page_of(document):
            return page
        try:
            services.originals.find(document)
        except OriginalMissing:
            return ""
        return original_link(settings.public_url, secret, collection, document_id)

    return link
