"""Documents into a collection with the settings' model and splitter: what every door that ingests calls."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from app.services import open_collections, open_embedder, open_weights, splitter_settings
from app.settings import Settings, SettingsError
from ingest import documents, pipeline
from ingest.collections import CollectionSet
from ingest.documents import IngestReport
from ingest.files import list_files
from ingest.origins import Listing
from ingest.pipeline import IngestOptions
from models.sources import Progress
from models.weights import no_progress


@dataclass(frozen=True, slots=True)
class Wishes:
    """What somebody asks of a run; see `ingest.pipeline.IngestOptions`."""

    labels: Mapping[str, Any] = field(default_factory=dict)
    prune: bool = False


class Ingestion:
    """Opens the model once, for as many runs as are wanted."""

    def __init__(self, settings: Settings, *, progress: Progress) -> None:
        self._settings = settings
        self.progress = progress
        self.collections: CollectionSet = open_collections(settings, open_weights(settings, progress=progress))

    def run(
        self, listing: Listing, collection: str, wishes: Wishes, *, each: documents.Progress | None = None
    ) -> IngestReport:
        """
        `each` is told of every document, instead of `progress`.

        Raises:
            IngestError: nothing more could be done; a single document that cannot be read is in the report instead.
        """
        store = self.collections.create(collection)
        what = f"ingesting into {collection}"
        return pipeline.ingest(
            store,
            listing,
            IngestOptions(splitter_settings(self._settings), wishes.labels, wishes.prune),
            open_embedder(self._settings, store.embeddings),
            progress=each or (lambda _, done, total: self.progress(what, done, total)),
        )


def web_listing(settings: Settings, url: str, *, depth: int, pages: int, progress: Progress) -> Listing:
    """
    The pages of a site; they are fetched while they are ingested.

    Raises:
        InvalidAddress: it is no address of a web page.
        SettingsError: LARKWISE_CRAWL_ALLOWED_HOSTS holds something else.
    """
    from ingest.web.crawl import crawl
    from ingest.web.limits import CrawlLimits
    from ingest.web.listing import listing_of

    try:
        pages_of = crawl(
            url,
            limits=CrawlLimits(depth=depth, pages=pages),
            progress=progress,
            allowed_private=frozenset(settings.crawl_allowed_hosts),
        )
    except ValueError as error:
        raise SettingsError(f"LARKWISE_CRAWL_ALLOWED_HOSTS: {error}") from error
    return listing_of(pages_of)


@contextmanager
def feishu_listings(settings: Settings, *, spaces: Sequence[str], folders: Sequence[str]) -> Iterator[list[Listing]]:
    """
    The documents of wiki spaces and folders of Feishu, as long as the block goes on; they are fetched while they are
    ingested, by the thread that is here.

    Raises:
        SettingsError: there is no app that could read them.
    """
    from app.feishu.credentials import Credentials
    from app.feishu.documents import DriveFolder, Shelf, WikiSpace, site_of
    from app.feishu.errors import Misconfigured
    from app.feishu.library import open_library
    from app.feishu.listing import feishu_listing

    secret = settings.feishu_app_secret.get_secret_value()
    if not (settings.feishu_app_id and secret):
        raise SettingsError("documents of Feishu need LARKWISE_FEISHU_APP_ID and LARKWISE_FEISHU_APP_SECRET")
    site = site_of(settings.feishu_domain)
    with ExitStack() as closing:
        try:
            credentials = Credentials(settings.feishu_app_id, secret, settings.feishu_domain)
            library = closing.enter_context(open_library(credentials))
        except Misconfigured as error:
            raise SettingsError(str(error)) from error
        shelves: list[Shelf] = [WikiSpace(library, space, site) for space in spaces]
        shelves += [DriveFolder(library, folder, site) for folder in folders]
        yield [feishu_listing(shelf, library, now_s=time.time) for shelf in shelves]


def ingest_paths(
    settings: Settings,
    paths: Sequence[Path],
    collection: str,
    wishes: Wishes | None = None,
    *,
    progress: Progress = no_progress,
) -> IngestReport:
    """
    Raises:
        IngestError: as `Ingestion.run`; a wrong path is told before a model is loaded and a collection is made.
    """
    listing = list_files(paths).listing()
    return Ingestion(settings, progress=progress).run(listing, collection, wishes or Wishes())
