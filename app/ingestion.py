"""Documents into a collection with the settings' model and splitter: what every door that ingests calls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
