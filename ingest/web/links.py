"""What a page says to a crawler: where it leads, and whether it wants to be kept."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from bs4 import BeautifulSoup, MarkupResemblesLocatorWarning, Tag, XMLParsedAsHTMLWarning
from bs4.filter import SoupStrainer

from ingest.loaders.guard import damage_explained
from ingest.web.addresses import scheme_of
from ingest.web.client import PRODUCT

_REFRESH = re.compile(r"^[\s\d.]*[;,]\s*url\s*=\s*[\"']?([^\"']+)", re.IGNORECASE)
_DIRECTIVES = frozenset({"noindex", "nofollow", "none"})


@dataclass(frozen=True, slots=True)
class Wishes:
    """Of `<meta name="robots">` and of the header X-Robots-Tag together."""

    keep: bool = True
    follow: bool = True

    @classmethod
    def of(cls, directives: Iterable[str]) -> Wishes:
        said = {word.strip().lower() for line in directives for word in line.split(",")} & _DIRECTIVES
        return cls(keep=said.isdisjoint({"noindex", "none"}), follow=said.isdisjoint({"nofollow", "none"}))


@dataclass(frozen=True, slots=True)
class PageHead:
    """`hrefs` as they stand in the page, each once, for addresses relative to `base`; empty where it is the page's."""

    wishes: Wishes
    base: str
    hrefs: tuple[str, ...]


def read_links(text: str, name: str, headers: Iterable[str] = ()) -> PageHead:
    """
    `headers` are the values of X-Robots-Tag. Links that are no web addresses, or say nofollow, are left out.

    Raises:
        UnreadableDocument: the parser stumbles over it.
    """
    with damage_explained(name, "HTML"), warnings.catch_warnings():
        warnings.simplefilter("ignore", XMLParsedAsHTMLWarning)
        warnings.simplefilter("ignore", MarkupResemblesLocatorWarning)
        soup = BeautifulSoup(text, "lxml", parse_only=SoupStrainer(["a", "area", "base", "meta"]))
        tags = soup.find_all(True)
    wishes = Wishes.of([*_robots_headers(headers), *_robots_tags(tags)])
    base = next((_attribute(tag, "href") for tag in tags if tag.name == "base" and tag.has_attr("href")), "")
    hrefs = dict.fromkeys(href for href in _hrefs(tags) if href and scheme_of(href) in ("", "http", "https"))
    return PageHead(wishes, base, tuple(hrefs) if wishes.follow else ())


def header_wishes(headers: Iterable[str]) -> Wishes:
    """The same for what is no HTML."""
    return Wishes.of(_robots_headers(headers))


def _robots_headers(headers: Iterable[str]) -> Iterator[str]:
    """`noindex` is for all, `larkwise: noindex` for us, `otherbot: noindex` for others."""
    for header in headers:
        agent, colon, directives = header.partition(":")
        if not colon or "," in agent:  # "noindex, unavailable_after: 25 Jun 2030"
            yield header
        elif agent.strip().lower() == PRODUCT:
            yield directives


def _robots_tags(tags: Iterable[Tag]) -> Iterator[str]:
    for tag in tags:
        if tag.name == "meta" and _attribute(tag, "name").strip().lower() in ("robots", PRODUCT):
            yield _attribute(tag, "content")


def _hrefs(tags: Iterable[Tag]) -> Iterator[str]:
    for tag in tags:
        if tag.name in ("a", "area") and "nofollow" not in _attribute(tag, "rel").lower().split():
            yield _attribute(tag, "href").strip().partition("#")[0]
        elif tag.name == "meta" and _attribute(tag, "http-equiv").strip().lower() == "refresh":
            moved = _REFRESH.match(_attribute(tag, "content"))
            yield moved[1].strip().partition("#")[0] if moved else ""


def _attribute(tag: Tag, name: str) -> str:
    value = tag.get(name) or ""
    return value if isinstance(value, str) else " ".join(value)
