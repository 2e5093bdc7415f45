"""Servers near by found without being told where they are: DNS-SD over multicast DNS (RFC 6763, 6762), by zeroconf.

Whoever is on the same network can say that he is a server, and whoever listens there learns of those that are. So what
is announced is an address and nothing more, and neither side speaks without mutual TLS: see ``Announcement`` of the
server, and ``nearby``.
"""

import ipaddress
from collections.abc import Sequence
from importlib import import_module
from typing import Any, Final

from autoscale.extras import package

TYPE: Final = "_autoscale._tcp.local."
"""What is looked for: gRPC with TLS, and the Open Inference Protocol within."""


def zeroconf() -> Any:
    """The package.

    Raises:
        MissingExtra: it is not installed.
    """
    return package("zeroconf", "nearby", "finding servers near by")


def opened(addresses: Sequence[str] = ()) -> Any:
    """A ``Zeroconf`` on the interfaces that have these addresses; on all where none is named. Whoever opens closes."""
    package = zeroconf()
    return package.Zeroconf(interfaces=list(addresses) or package.InterfaceChoice.All)


def own_addresses() -> list[str]:
    """Of this machine, those that others may reach it by."""
    adapters = import_module("ifaddr").get_adapters()
    found = [ip.ip if isinstance(ip.ip, str) else ip.ip[0] for adapter in adapters for ip in adapter.ips]
    usable = [each for each in found if not _is_for_itself(each)]
    return usable or ["127.0.0.1"]


def _is_for_itself(address: str) -> bool:
    known = ipaddress.ip_address(address)
    return known.is_loopback or known.is_link_local
