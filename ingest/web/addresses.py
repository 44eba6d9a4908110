"""Web addresses in one form, so that each page has one name."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, replace
from typing import TypeAlias
from urllib.parse import unquote, urljoin

import httpx

from ingest.web.errors import InvalidAddress

Origin: TypeAlias = tuple[str, str, int]
"""Scheme, host and port."""

_DEFAULT_PORTS = {"http": 80, "https": 443}
_LARGEST_PORT = 65_535
_SCHEME = re.compile(r"\s*([A-Za-z][A-Za-z0-9+.-]*):")
_BROKEN_BY_PAGES = re.compile(r"[\t\r\n]")
"""Browsers take line ends and tabs out of an address."""
_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})")
_FOREIGN_ESCAPES = re.compile(r"(?:%[89A-F][0-9A-F])+")
_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_SHOWN_CHARACTERS = 200


@dataclass(frozen=True, slots=True)
class Address:
    """An http or https address without its fragment; `str` gives the one form in which it is a key."""

    scheme: str
    host: str
    """In small letters, foreign ones as Punycode; an IPv6 address without its brackets."""
    port: int
    target: str
    """Path and query; the path is "/" at least."""

    def __str__(self) -> str:
        return f"{self.scheme}://{self.netloc}{self.target}"

    @property
    def netloc(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def origin(self) -> Origin:
        return self.scheme, self.host, self.port

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def readable(self) -> str:
        """As a browser shows it: 手册, not %E6%89%8B%E5%86%8C. The host stays as it is, for some letters look alike."""
        return _FOREIGN_ESCAPES.sub(_shown_letters, str(self))

    def beside(self, target: str) -> Address:
        """Another address of the same origin."""
        return replace(self, target=target)

    def within(self, origin: Origin) -> Address | None:
        """
        The address as a page of that origin, or None where it is none.

        A page of a site that has gone over to https is asked for by https, however an old link says.
        """
        if self.origin == origin:
            return self
        secured = self.secured()
        return secured if secured.origin == origin else None

    def secured(self) -> Address:
        """The same page by https; only between the default ports is it sure to be the same."""
        return replace(self, scheme="https", port=443) if (self.scheme, self.port) == ("http", 80) else self


def address_of(url: str, *, base: str = "", max_characters: int = 2_000) -> Address:
    """
    The address that a person or a page means; `base` is the page's own, for addresses relative to it.

    Raises:
        InvalidAddress: it is no http or https address, is too long, or has a name and password in it.
    """
    url = _BROKEN_BY_PAGES.sub("", url.strip())
    if len(url) > max_characters:
        raise InvalidAddress(f"{shown(url)} has {len(url):,} characters, and at most {max_characters:,} are followed")
    try:
        parsed = httpx.URL(normal_escapes(urljoin(base, url)))
        return _checked(parsed, url, max_characters)
    except (httpx.InvalidURL, ValueError) as error:  # ValueError: urllib's, and IDNA's for a host that cannot be one
        raise InvalidAddress(f"{shown(url)} is no address that can be fetched ({error})") from error


def scheme_of(url: str) -> str:
    """In small letters; empty for an address that is relative."""
    found = _SCHEME.match(url)
    return found[1].lower() if found else ""


def normal_escapes(text: str) -> str:
    """One spelling of what RFC 3986 (6.2.2) calls equivalent: %7E is ~, and %e6 is %E6."""
    return _ESCAPE.sub(_normal_escape, text)


def shown(url: str) -> str:
    """An address in a message, cut to a length that can be read, without anybody's password."""
    url = re.sub(r"//[^/?#]*@", "//…@", url)
    return repr(url if len(url) <= _SHOWN_CHARACTERS else f"{url[:_SHOWN_CHARACTERS]}…")


def _checked(parsed: httpx.URL, url: str, max_characters: int) -> Address:
    if parsed.scheme not in _DEFAULT_PORTS:
        raise InvalidAddress(f"{shown(url)} is no web address: give one that begins with http:// or https://")
    if parsed.userinfo:
        raise InvalidAddress(f"{shown(url)} has a name or password in it, which would end in the index: leave it out")
    host = _host(parsed.raw_host.decode("ascii"))
    port = _DEFAULT_PORTS[parsed.scheme] if parsed.port is None else parsed.port
    if not host or not 0 < port <= _LARGEST_PORT:
        raise InvalidAddress(f"{shown(url)} names no host and port that could exist")
    target = parsed.raw_path.decode("ascii")
    if len(target) > max_characters:
        raise InvalidAddress(f"{shown(url)} has more than {max_characters:,} characters once it is encoded")
    return Address(parsed.scheme, host, port, target)


def _host(host: str) -> str:
    """An IPv6 address has many spellings; one with the name of a network card (%eth0) is no address of the web."""
    host = host.lower().removesuffix(".")
    if "%" in host or host.startswith(".") or ".." in host:
        raise ValueError("no host can have this name")
    return str(ipaddress.IPv6Address(host)) if ":" in host else host


def _normal_escape(escape: re.Match[str]) -> str:
    character = chr(int(escape[1], 16))
    return character if character in _UNRESERVED else escape[0].upper()


def _shown_letters(escapes: re.Match[str]) -> str:
    try:
        letters = unquote(escapes[0], errors="strict")
    except UnicodeDecodeError:
        return escapes[0]
    # what cannot be seen, or turns the direction of the line, stays spelt out; so does white space
    return letters if letters.isprintable() and not any(map(str.isspace, letters)) else escapes[0]
