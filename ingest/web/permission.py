"""Whether a site wants a page to be read."""

from __future__ import annotations

from dataclasses import dataclass, field

from ingest.web.addresses import Address, Origin, address_of
from ingest.web.client import PRODUCT, Reply
from ingest.web.errors import Disallowed, InvalidAddress, OutOfTime, PrivateAddress, RobotsUnreachable, WebError
from ingest.web.manners import Visitor
from ingest.web.robots import MAX_ROBOTS_BYTES, Rules, parse_robots

MOVED = (301, 302, 303, 307, 308)

_REDIRECTS = 5
_TOO_MANY_REQUESTS = 429


@dataclass(slots=True)
class Permissions:
    """Asks each site once, and has the visitor keep the pace that it asks for."""

    visitor: Visitor
    _known: dict[Origin, Rules | RobotsUnreachable] = field(default_factory=dict)

    def check(self, address: Address) -> None:
        """
        Raises:
            Disallowed: the site does not want the page to be read.
            RobotsUnreachable: what it wants cannot be had, or its server is in trouble.
            PrivateAddress, InvalidAddress: the site may not be asked.
            OutOfTime: the crawl is over.
        """
        rules = self._rules(address)
        if isinstance(rules, RobotsUnreachable):
            raise RobotsUnreachable(str(rules))
        if not rules.allows(address.target):
            raise Disallowed(f"{address.readable} is not read: the site's robots.txt asks {PRODUCT} not to")

    def _rules(self, address: Address) -> Rules | RobotsUnreachable:
        if address.origin not in self._known:
            rules = self._asked(address.beside("/robots.txt"))
            self._known[address.origin] = rules
            if isinstance(rules, Rules):
                self.visitor.delays[address.origin] = rules.delay_s
        return self._known[address.origin]

    def _asked(self, robots: Address) -> Rules | RobotsUnreachable:
        place = robots
        for _ in range(_REDIRECTS + 1):
            try:
                with self.visitor.get(place) as reply:
                    if reply.status not in MOVED:
                        return _rules_in(reply, robots)
                    place = address_of(reply.header("location"), base=str(place))
            except OutOfTime:
                raise
            except WebError as error:
                if place == robots and isinstance(error, PrivateAddress | InvalidAddress):
                    raise  # it is as true of the page
                return _unreachable(robots, str(error))
        return Rules()  # RFC 9309, 2.3.1.2: as if there were none


def _rules_in(reply: Reply, robots: Address) -> Rules | RobotsUnreachable:
    if reply.status < 300:
        return parse_robots(reply.read(max_bytes=MAX_ROBOTS_BYTES, cut=True), PRODUCT)
    if 400 <= reply.status < 500 and reply.status != _TOO_MANY_REQUESTS:
        return Rules()
    return _unreachable(robots, f"status {reply.status}")


def _unreachable(robots: Address, why: str) -> RobotsUnreachable:
    return RobotsUnreachable(
        f"{robots.readable} cannot be had ({why}), and without it nothing of the site is read: try again later"
    )
