"""Which addresses may be called: only those of the open internet, judged by what a name resolves to.

An address that a person or a program wrote must not lead into our own network (OWASP, Server-Side Request Forgery
Prevention): it is parsed once and resolved once, every address found is judged, and one of these very ones is called.
"""

import ipaddress
import re
import socket
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import NamedTuple
from urllib.parse import SplitResult, urlsplit

from django.conf import settings

PORTS = (443, 8443)
DEFAULT_PORTS = {"https": 443, "http": 80}
LONGEST = 500
MOST_ADDRESSES = 16
LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
UNPRINTABLE = re.compile(r"[\x00-\x20\x7f-\x9f\\]")
# What leads to an IPv4 address by way of IPv6 (RFC 4291, 6052, 8215, 3056, 4380), and the service address of a cloud.
IN_DISGUISE = ("::/96", "::ffff:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32", "192.88.99.0/24")
REFUSED = tuple(map(ipaddress.ip_network, (*IN_DISGUISE, "168.63.129.16/32")))

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
Resolve = Callable[[str, int], Sequence[str]]


class AddressRefused(ValueError):
    """An address that is not called; the sentence says why."""


class Target(NamedTuple):
    """Whom to call: the name that must be proved, and the addresses that were judged."""

    scheme: str
    host: str
    port: int
    path: str
    addresses: tuple[str, ...]


class Allowed(NamedTuple):
    """Hosts and networks of our own that may be called, also by http and on any port."""

    hosts: frozenset[str]
    networks: tuple[Network, ...]


def resolve(host: str, port: int) -> list[str]:
    """Give the addresses of a host as the system finds them. Raises OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(where[0]) for *_, where in found))


def allowed(entries: Sequence[str]) -> Allowed:
    """Parse a setting such as WEBHOOK_ALLOW. Raises ValueError that names the entry."""
    hosts, networks = set(), []
    for entry in (one.strip().lower() for one in entries if one.strip()):
        try:
            networks.append(ipaddress.ip_network(entry))
        except ValueError:
            if "/" in entry or not _is_name(entry):
                raise ValueError(f"{entry!r} is neither the name of a host nor a network such as 10.0.0.0/8") from None
            hosts.add(entry)
    return Allowed(frozenset(hosts), tuple(networks))


def look(url: str, find: Resolve = resolve, allow: Sequence[str] | None = None) -> Target:
    """Give whom an address leads to, after looking at every address of the host. Raises AddressRefused.

    `allow` names hosts and networks of our own that may be called; without it those of WEBHOOK_ALLOW.
    """
    parts = _parts(url)
    host = _host(parts)
    port = _port(parts)
    ours = allowed(settings.WEBHOOK_ALLOW if allow is None else allow)
    addresses = _addresses(host, port, find)
    refused = [why for one in addresses if (why := _refusal(host, one, ours))]
    if refused:
        raise AddressRefused(refused[0])
    if host not in ours.hosts and not all(_is_ours(one, ours) for one in addresses):
        if parts.scheme != "https":
            raise AddressRefused("The address must begin with https://: nobody must read what goes this way.")
        if port not in PORTS:
            raise AddressRefused(f"The port {port} is not called; {' and '.join(map(str, PORTS))} are.")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(parts.scheme, host, port, path, tuple(addresses))


def is_public(text: str) -> bool:
    """Say whether an address is one of the open internet, and not another one in disguise."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    if address.is_multicast or not address.is_global or getattr(address, "scope_id", None):
        return False
    return not any(address in network for network in REFUSED if network.version == address.version)


def _parts(url: str) -> SplitResult:
    if len(url) > LONGEST:
        raise AddressRefused(f"The address is longer than {LONGEST} characters.")
    if UNPRINTABLE.search(url):
        raise AddressRefused("The address holds a space, a backslash or a character that cannot be printed.")
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise AddressRefused(f"This is no address: {error}.") from error
    if parts.scheme not in DEFAULT_PORTS:
        raise AddressRefused("The address must begin with https://.")
    if "@" in parts.netloc:
        raise AddressRefused("A name or password before the host is not accepted.")
    if parts.fragment or not f"{parts.path}{parts.query}".isascii():
        raise AddressRefused("After the host only letters of ASCII are accepted, and no #.")
    return parts


def _host(parts: SplitResult) -> str:
    """Give the host in lower case, a name in the letters of DNS (IDNA). Raises AddressRefused."""
    host = (parts.hostname or "").removesuffix(".")
    if parts.netloc.startswith("["):
        try:
            return str(IPv6Address(host))
        except ValueError as error:
            raise AddressRefused(f"{host} is no address of IPv6.") from error
    try:
        name = host.encode("idna").decode("ascii").lower()
    except UnicodeError as error:
        raise AddressRefused(f"{host[:100]!r} is no name of a host.") from error
    if _is_dotted(name) or _is_name(name):
        return name
    raise AddressRefused(f"{host[:100]!r} is no name of a host.")


def _is_dotted(name: str) -> bool:
    try:
        return str(IPv4Address(name)) == name
    except ValueError:
        return False


def _is_name(name: str) -> bool:
    """Say whether this is a name; one whose last part is a number is an address in an odd form (WHATWG URL)."""
    labels = name.split(".")
    return len(name) < 254 and all(map(LABEL.fullmatch, labels)) and not NUMBER.fullmatch(labels[-1])


def _port(parts: SplitResult) -> int:
    try:
        return parts.port or DEFAULT_PORTS[parts.scheme]
    except ValueError as error:
        raise AddressRefused("The port is no number from 1 to 65535.") from error


def _addresses(host: str, port: int, find: Resolve) -> list[str]:
    try:
        found = list(find(host, port))
    except (OSError, UnicodeError) as error:
        raise AddressRefused(f"The host {host} cannot be found: {error}.") from error
    if not found:
        raise AddressRefused(f"The host {host} has no address.")
    return found[:MOST_ADDRESSES]


def _refusal(host: str, address: str, ours: Allowed) -> str:
    if host in ours.hosts or is_public(address) or _is_ours(address, ours):
        return ""
    return f"The host {host} leads to {address}, which is no address of the open internet."


def _is_ours(address: str, ours: Allowed) -> bool:
    try:
        told = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(told in network for network in ours.networks if network.version == told.version)
