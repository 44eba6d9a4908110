"""
Which machines may be asked: those of the open internet, and no machine of the private network.

A web page, or whoever may name one, could otherwise make larkwise read what only larkwise can reach: the router, a
database, the cloud's metadata service.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from ingest.web.errors import InvalidAddress, PrivateAddress, Unreachable

IPAddress: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
IPNetwork: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network
Resolver: TypeAlias = Callable[[str, int], Sequence[str]]
"""All addresses of a host, as text."""

WEB_PORTS = frozenset({80, 443})
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_NEVER = tuple(
    map(
        ipaddress.ip_network,
        (
            "192.0.0.0/24",  # a cloud's metadata service is in it; Python before 3.13 holds parts of it for global
            "168.63.129.16/32",  # Azure's inner services, at an address of the open internet
            "192.88.99.0/24",  # where 6to4 went out
            "3fff::/20",  # documentation, unknown to Python before 3.13
            "5f00::/16",  # segment routing
        ),
    )
)


def resolve(host: str, port: int) -> Sequence[str]:
    """What the system says; it has its own time-outs."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]


def is_public(address: IPAddress) -> bool:
    """
    Whether it is a machine of the open internet.

    Of an IPv6 address that stands for an IPv4 one (mapped, 6to4, NAT64), the one that it stands for is judged.
    """
    inner = _stands_for(address)
    if inner is not None:
        return is_public(inner)
    if any(address in network for network in _NEVER if network.version == address.version):
        return False
    # is_global alone would let multicast pass, fec0::/10, and ::7f00:1, which is reserved
    return address.is_global and not (
        address.is_multicast or address.is_reserved or address.is_private or getattr(address, "is_site_local", False)
    )


@dataclass(frozen=True, slots=True)
class AllowedPrivate:
    """What an operator has opened: `hosts` by their name, whatever their addresses, and `networks` by their address."""

    hosts: frozenset[str] = frozenset()
    networks: tuple[IPNetwork, ...] = ()

    @classmethod
    def of(cls, entries: Iterable[str]) -> AllowedPrivate:
        """
        `wiki.corp.example`, `10.1.2.3` and `10.1.0.0/16` are entries.

        Raises:
            ValueError: an entry is neither a host's name nor a network.
        """
        hosts: set[str] = set()
        networks: list[IPNetwork] = []
        for entry in entries:
            try:
                networks.append(ipaddress.ip_network(entry.strip("[]"), strict=False))
            except ValueError:
                hosts.add(_host_name(entry))
        return cls(frozenset(hosts), tuple(networks))

    def allows(self, host: str, address: IPAddress) -> bool:
        """A name opens no link-local address, where metadata services are: those have to be named themselves."""
        if any(address in network for network in self.networks if network.version == address.version):
            return True
        bare = _stands_for(address) or address
        return host in self.hosts and not (bare.is_link_local or bare.is_multicast or bare.is_unspecified)


@dataclass(frozen=True, slots=True)
class Guard:
    """Asked anew for every connection, and the connection goes to what it has checked."""

    allowed: AllowedPrivate = AllowedPrivate()
    ports: frozenset[int] = WEB_PORTS
    """A page cannot lead to a database's port; whoever names the start page may name its port with it."""
    resolve: Resolver = resolve

    def addresses(self, host: str, port: int) -> tuple[str, ...]:
        """
        The addresses of a host that may be connected to.

        Raises:
            InvalidAddress: a port that is not asked.
            PrivateAddress: one of its addresses is inside the private network, whatever the others are.
            Unreachable: it has none.
        """
        if port not in self.ports:
            raise InvalidAddress(f"{host}:{port} is not asked: a link leads to ports 80 and 443, or the start page's")
        found = self._resolved(host, port)
        for address in found:
            if not is_public(address) and not self.allowed.allows(host, address):
                # not the address itself: it would tell a stranger how the network is laid out
                raise PrivateAddress(
                    f"{host} is inside the private network, or no address of the open internet: "
                    "who runs larkwise can allow the host or its network"
                )
        return tuple(map(str, found))

    def _resolved(self, host: str, port: int) -> list[IPAddress]:
        try:
            return [ipaddress.ip_address(host)]
        except ValueError:
            pass
        try:
            found = list(dict.fromkeys(map(ipaddress.ip_address, self.resolve(host, port))))
        except (OSError, ValueError) as error:  # ValueError: a label too long for IDNA, an address with a scope
            raise Unreachable(f"{host} cannot be found ({error}): check the name") from error
        if not found:
            raise Unreachable(f"{host} has no address: check the name")
        return found


def _stands_for(address: IPAddress) -> ipaddress.IPv4Address | None:
    if isinstance(address, ipaddress.IPv4Address):
        return None
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour


def _host_name(entry: str) -> str:
    name = entry.strip().lower().removesuffix(".")
    if not name or set(name) & set("/:@*? "):
        raise ValueError(f"{entry!r} is neither a host's name nor a network: as in wiki.corp.example or 10.1.0.0/16")
    return name
