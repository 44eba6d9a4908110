"""A crawl as the pipeline takes it."""

from __future__ import annotations

from ingest.origins import Listing, was_labelled
from ingest.web.crawl import Crawl

CRAWL = "crawl"
"""The label of a page: the address that its crawl began at."""


def listing_of(crawl: Crawl) -> Listing:
    """
    Its pages are fetched while they are ingested; what is gone can be told when all of them were.

    What another crawl has found is none of this one's.
    """
    return Listing(
        origins=crawl,
        total=0,
        covers=lambda document, source: was_labelled(document, source, CRAWL, crawl.root),
        is_complete=lambda: not crawl.partial,
        labels={CRAWL: crawl.root},
        shelf=crawl.root,
        shelves=lambda: {crawl.root},
    )
