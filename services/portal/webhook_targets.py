"""Where a webhook may go: never into the operator's own network, unless the operator says so.

A name is resolved once, every address of it is checked, and the connection goes to the address that was checked: a name
that answers otherwise the second time gets nowhere.
"""

from __future__ import annotations

import asyncio
import socket
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from services.portal.channels import LONGEST_TARGET
from shared.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    Address = IPv4Address | IPv6Address
    Network = IPv4Network | IPv6Network
    Resolver = Callable[[str, int], Awaitable[Sequence[str]]]

RESOLVE_LIMIT = 5.0
"""Seconds."""

_TRANSLATED = ip_network("64:ff9b::/96")
"""NAT64 (RFC 6052): the last four bytes are the IPv4 address that is really reached."""


class TargetAway(Exception):  # noqa: N818 - a state of the target, not an error of ours
    """The name does not resolve just now."""


@dataclass(frozen=True, slots=True)
class Target:
    """A URL whose form was checked.

    Attributes:
        url: as it was given.
        host: name or address, without brackets.
        port: its own, or the scheme's.
        secure: whether it is spoken to over TLS.
    """

    url: str
    host: str
    port: int
    secure: bool


def parsed(url: str) -> Target:
    """Check a URL's form.

    Raises:
        UsageError: it is no URL that a webhook may have.
    """
    found = url.strip()
    try:
        parts = urlsplit(found)
        port = parts.port
    except ValueError:
        raise UsageError("this is not a URL; it looks like https://example.nhs.uk/heed") from None
    if len(found) > LONGEST_TARGET or not found.isascii() or not found.isprintable() or " " in found:
        raise UsageError(f"a webhook's URL has at most {LONGEST_TARGET} plain characters")
    if parts.scheme not in {"https", "http"} or not parts.hostname:
        raise UsageError("a webhook's URL begins with https:// and a host's name")
    if "@" in parts.netloc or parts.fragment or "\\" in found:
        raise UsageError("a webhook's URL holds no user name, password or #; its secret is the signature")
    secure = parts.scheme == "https"
    return Target(found, parts.hostname, port or (443 if secure else 80), secure)


class Targets:
    """Knows which addresses may be connected to.

    Args:
        allowed: networks that are not public and may be reached all the same.
        resolve: all addresses of a name.
    """

    def __init__(self, allowed: Sequence[Network] = (), resolve: Resolver | None = None) -> None:
        self._allowed = tuple(allowed)
        self._resolve = resolve or _resolved

    async def address(self, target: Target) -> str:
        """The address to connect to.

        Raises:
            UsageError: one of its addresses may not be reached, or may not be reached without TLS.
            TargetAway: it has no address now.
        """
        return await self.host_address(target.host, target.port, secure=target.secure)

    async def host_address(self, host: str, port: int, *, secure: bool) -> str:
        """The same for a host that is no webhook's."""
        try:
            async with asyncio.timeout(RESOLVE_LIMIT):
                found = [ip_address(each) for each in await self._resolve(host, port)]
        except (OSError, UnicodeError, TimeoutError, ValueError):
            raise TargetAway from None
        if not found:
            raise TargetAway
        if not all(self._may_be_reached(each) for each in found):
            raise UsageError("this host is not on the public internet; ask your operator to allow its network")
        if not secure and not all(_plain(each).is_loopback for each in found):
            raise UsageError("a webhook's URL begins with https://: pages must not travel in the clear")
        return str(found[0])

    def _may_be_reached(self, address: Address) -> bool:
        plain = _plain(address)
        if any(plain.version == network.version and plain in network for network in self._allowed):
            return True
        return is_public(address)


def is_public(address: Address) -> bool:
    """Whether the whole internet may be meant by it; tunnels that hide another address are not."""
    plain = _plain(address)
    if isinstance(plain, IPv6Address) and (plain.sixtofour is not None or plain.teredo is not None):
        return False
    return plain.is_global and not plain.is_multicast and not plain.is_reserved


def _plain(address: Address) -> Address:
    """The IPv4 address that an IPv6 one stands for."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if address in _TRANSLATED:
            return IPv4Address(address.packed[-4:])
    return address


async def _resolved(host: str, port: int) -> list[str]:
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]).partition("%")[0] for _, _, _, _, address in found))
