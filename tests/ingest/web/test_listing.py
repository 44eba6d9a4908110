"""Sites in a collection: a page leaves when its own crawls find it no more."""

from __future__ import annotations

from pathlib import Path

import pytest

from ingest.collections import Collections, EmbeddingModel
from ingest.documents import IngestReport
from ingest.embedding import EmbedHere
from ingest.files import list_files
from ingest.origins import Listing
from ingest.pipeline import IngestOptions, ingest
from ingest.stores.faiss import FaissStore
from ingest.web.crawl import crawl
from ingest.web.limits import CrawlLimits
from ingest.web.listing import listing_of
from tests.ingest.fakes import HashEmbeddings
from tests.ingest.web.sites import LOOPBACK, Answer, Script, html, link, serving, silent


@pytest.fixture
def store(tmp_path: Path) -> FaissStore:
    return Collections(tmp_path / "collections", EmbeddingModel(HashEmbeddings(), "hash")).create("default")


def run(store: FaissStore, listing: Listing) -> IngestReport:
    return ingest(store, listing, IngestOptions(prune=True), EmbedHere(store.embeddings), progress=lambda *_: None)


def pages_from(url: str) -> Listing:
    limits = CrawlLimits(depth=1, delay_s=0)
    return listing_of(crawl(url, limits=limits, progress=silent, allowed_private=LOOPBACK))


def test_a_page_stays_while_another_start_address_leads_to_it(store: FaissStore) -> None:
    pages: dict[str, Script] = {"/": html(link("/a")), "/b": html("b", link("/a")), "/a": html("a")}
    with serving(pages) as site:
        for start in ("/", "/b"):
            run(store, pages_from(site.url + start))
        site.pages["/b"] = html("b")

        second = run(store, pages_from(f"{site.url}/b"))
        site.pages["/"] = html("nothing")
        first = run(store, pages_from(f"{site.url}/"))

    assert (second.removed, first.removed) == ((), (f"{site.url}/a",))


def test_a_file_with_the_words_of_a_page_is_none_of_its_crawl(store: FaissStore, tmp_path: Path) -> None:
    page = b"<html><head><title>t</title></head><body>the words</body></html>"
    (tmp_path / "a.html").write_bytes(page)
    with serving({"/": Answer(page)}) as site:
        run(store, list_files([tmp_path / "a.html"]).listing())

        report = run(store, pages_from(site.url))

    assert (len(report.duplicates), report.removed) == (1, ())
