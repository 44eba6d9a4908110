"""One page, from its address to its content and its links, through all redirects."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from ingest.documents import LeftOut, Refused
from ingest.errors import DocumentError
from ingest.loaders.html import html_text
from ingest.loaders.limits import MAX_MARKUP_BYTES
from ingest.web.addresses import Address, address_of, shown
from ingest.web.charset import with_its_charset
from ingest.web.client import Reply
from ingest.web.errors import BadRedirect, Elsewhere, Gone, InvalidAddress, NotServed
from ingest.web.kinds import is_html, is_text, name_of
from ingest.web.limits import CrawlLimits
from ingest.web.links import PageHead, Wishes, header_wishes, read_links
from ingest.web.manners import Visitor
from ingest.web.pages import FetchedPage, Outcome
from ingest.web.permission import MOVED, Permissions

_GONE = (404, 410)


@dataclass(frozen=True, slots=True)
class Visited:
    """`address` is where the redirects have led to. `links` are of the same site, each once."""

    address: Address
    outcome: Outcome
    links: tuple[Address, ...] = ()
    unfollowed: tuple[Refused, ...] = ()
    """Links that are faulty, or too many."""


@dataclass(frozen=True, slots=True)
class SeenBefore:
    """The redirects have led to a page that has had its turn."""


Visit: TypeAlias = Visited | SeenBefore


@dataclass(frozen=True, slots=True)
class Guide:
    """Knows which pages have had their turn: `done` grows with each address that is asked for."""

    visitor: Visitor
    permissions: Permissions
    limits: CrawlLimits
    done: set[Address] = field(default_factory=set)

    def visit(self, start: Address, *, may_move: bool) -> Visit:
        """
        Fetch a page. `may_move` lets its redirects lead to other hosts, as from example.org to www.example.org.

        Raises:
            DocumentError: it cannot be fetched, or may not be.
        """
        address = start
        passed: set[Address] = set()
        while address not in self.done:
            self._step(address, passed)
            with self.visitor.get(address) as reply:
                if reply.status not in MOVED:
                    return self._taken(reply)
                target = _moved_to(reply, self.limits)
            address = target if may_move else _same_site(address, target)
        if address in passed:
            raise BadRedirect(f"{start.readable} is redirected in a circle, to {address.readable} again")
        return SeenBefore()

    def _step(self, address: Address, passed: set[Address]) -> None:
        if len(passed) > self.limits.redirects:
            raise BadRedirect(f"{address.readable} is the end of more than {self.limits.redirects} redirects")
        self.permissions.check(address)
        self.done.add(address)
        passed.add(address)

    def _taken(self, reply: Reply) -> Visited:
        address = reply.address
        _check_status(reply)
        content_type = reply.header("content-type")
        name = name_of(address, content_type)
        data = reply.read(max_bytes=self._most_bytes(name))
        if is_text(name):
            data = with_its_charset(data, name, content_type)
        page = FetchedPage(str(address), address.readable, name, data)
        headers = [value for key, value in reply.headers if key == "x-robots-tag"]
        if not is_html(name):
            return Visited(address, _kept(page, header_wishes(headers)))
        head = _head(page, headers)
        links, unfollowed = self._links(head, address)
        return Visited(address, _kept(page, head.wishes), links, unfollowed)

    def _most_bytes(self, name: str) -> int:
        return min(self.limits.page_bytes, MAX_MARKUP_BYTES) if is_html(name) else self.limits.page_bytes

    def _links(self, head: PageHead, address: Address) -> tuple[tuple[Address, ...], tuple[Refused, ...]]:
        base = _base(head, address)
        found: dict[Address, None] = {}
        unfollowed: list[Refused] = []
        for href in head.hrefs[: self.limits.links]:
            try:
                link = address_of(href, base=base, max_characters=self.limits.url_characters)
            except InvalidAddress as error:
                unfollowed.append(LeftOut(shown(href), f"a link in {address.readable} is not followed: {error}"))
                continue
            if inside := link.within(address.origin):
                found[inside] = None
        if len(head.hrefs) > self.limits.links:
            unfollowed.append(
                Refused(
                    f"{address.readable}, the rest of its links",
                    f"{address.readable} has {len(head.hrefs):,} links: {self.limits.links:,} of a page are followed",
                )
            )
        return tuple(found), tuple(unfollowed)


def _moved_to(reply: Reply, limits: CrawlLimits) -> Address:
    location = reply.header("location")
    if not location:
        raise BadRedirect(f"{reply.address.readable} is redirected to nowhere")
    return address_of(location, base=str(reply.address), max_characters=limits.url_characters)


def _same_site(address: Address, target: Address) -> Address:
    """A page may move within its origin, and from http to https."""
    inside = target.within(address.origin) or (target if target.origin == address.secured().origin else None)
    if inside is None:
        raise Elsewhere(f"{address.readable} has moved to another host ({target.readable}): ingest that by itself")
    return inside


def _check_status(reply: Reply) -> None:
    if reply.status in _GONE:
        raise Gone(f"{reply.address.readable} does not exist (status {reply.status})")
    if not 200 <= reply.status < 300:
        wait = reply.header("retry-after")[:40]
        when = f"after {wait} (its Retry-After)" if wait else "later"
        hint = "pages behind a login are not read" if reply.status in (401, 403) else f"try again {when}"
        raise NotServed(f"{reply.address.readable} is not served (status {reply.status}): {hint}")


def _kept(page: FetchedPage, wishes: Wishes) -> Outcome:
    if wishes.keep:
        return page
    return LeftOut(page.source, f"{page.source} is not read: the page itself asks not to be indexed (noindex)")


def _head(page: FetchedPage, headers: list[str]) -> PageHead:
    """A page that cannot be read leads nowhere; its loader is the one to say why."""
    try:
        return read_links(html_text(page.data, page.name), page.name, headers)
    except DocumentError:
        return PageHead(header_wishes(headers), "", ())


def _base(head: PageHead, address: Address) -> str:
    try:
        return str(address_of(head.base, base=str(address))) if head.base else str(address)
    except InvalidAddress:
        return str(address)
