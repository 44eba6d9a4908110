"""
What can go wrong between an address and its page.

DocumentError                    (ingest/errors.py) one page; the others go on
├── WebError
│   ├── InvalidAddress           no http or https address, or one that nobody should be asked for
│   ├── PrivateAddress           leads into the private network
│   ├── Unreachable              no such name, no connection, or an answer that breaks off
│   │   └── RobotsUnreachable    whether the site wants to be read cannot be told
│   ├── TooSlow                  the page has not come in its time
│   ├── OutOfTime                the crawl's own time is over
│   ├── NotServed                the server answers with an error
│   │   └── Gone                 … which is that there is no such page
│   ├── BadRedirect              in a circle, too often, or to nowhere
│   ├── Elsewhere                the page has moved to another host
│   └── Disallowed               the site asks that it is not read
├── UnsupportedDocument          (ingest/errors.py) no loader for this kind of content
└── DocumentTooLarge             (ingest/errors.py) more than `CrawlLimits.page_bytes`
"""

from __future__ import annotations

from ingest.errors import DocumentError


class WebError(DocumentError):
    """One page cannot be fetched; the message names it and says what to do."""


class InvalidAddress(WebError):
    """No http or https address, or one with a password, an odd port, or of too great a length."""


class PrivateAddress(WebError):
    """The host is inside the private network, and nobody has allowed it."""


class Unreachable(WebError):
    """There is no such name, no connection, or the answer breaks off."""


class RobotsUnreachable(Unreachable):
    """robots.txt cannot be had, so that nothing of the site may be read (RFC 9309, 2.3.1.4)."""


class TooSlow(WebError):
    """The page has not come whole in its time."""


class OutOfTime(WebError):
    """The crawl would have to go on after its own end."""


class NotServed(WebError):
    """The server answers with an error."""


class Gone(NotServed):
    """The server answers that there is no such page: what was ingested of it is out of date."""


class BadRedirect(WebError):
    """Redirects in a circle, too many of them, or one that leads nowhere."""


class Elsewhere(WebError):
    """The page has moved to a host that the crawl does not go to."""


class Disallowed(WebError):
    """robots.txt, or the page itself, asks that it is not read."""
