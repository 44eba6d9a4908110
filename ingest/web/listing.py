"""A crawl as the pipeline takes it."""

from __future__ import annotations

from ingest.origins import Listing
from ingest.web.crawl import Crawl

CRAWL = "crawl"
"""The label of a page: the address that its crawl began at. What another crawl has found is none of this one's."""


def listing_of(crawl: Crawl) -> Listing:
    """Its pages are fetched while they are ingested; what is gone can be told when all of them were."""
    return Listing(
        origins=crawl,
        total=0,
        covers=lambda document, _: document.labels.get(CRAWL) == crawl.root,
        is_complete=lambda: not crawl.partial,
        labels={CRAWL: crawl.root},
    )
