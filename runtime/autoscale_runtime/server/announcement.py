"""A server tells the machines near by that it is there, so that their sessions need not be told its address."""

import ipaddress
import socket
from typing import Final

from autoscale.closing import Closing
from autoscale.errors import InvalidInput
from autoscale_runtime.wire.certificates import Certificates
from autoscale_runtime.wire.dns_sd import TYPE, opened, own_addresses, zeroconf

_LONGEST: Final = 63


class Announcement(Closing):
    """From when it is made until it is closed; a context manager. Not for an event loop: it waits for the network.

    Attributes:
        name: as it is announced; where another has the one that was asked for, that and a number.

    Args:
        name: of the server, among those near by.
        host: that it listens at; a wildcard announces every address that others reach this machine by.
        port: likewise.
        certificates: by which it lets in those alone who show one.

    Raises:
        InvalidInput: see ``check_announcement``.
        MissingExtra: zeroconf is not installed.
    """

    def __init__(self, name: str, host: str, port: int, certificates: Certificates | None) -> None:
        check_announcement(name, host, certificates)
        is_everywhere = ipaddress.ip_address(host).is_unspecified
        own = own_addresses() if is_everywhere else [host]
        self._zeroconf = opened(() if is_everywhere else own)
        machine = socket.gethostname().partition(".")[0]
        self._info = zeroconf().ServiceInfo(
            TYPE, f"{name}.{TYPE}", parsed_addresses=own, port=port, server=f"{machine}.local."
        )
        self._zeroconf.register_service(self._info, allow_name_change=True)
        self.name = str(self._info.name).removesuffix(f".{TYPE}")

    def close(self) -> None:
        """Say that it is gone."""
        self._zeroconf.unregister_service(self._info)
        self._zeroconf.close()


def check_announcement(name: str, host: str, certificates: Certificates | None) -> None:
    """Refuse what cannot be announced.

    Raises:
        InvalidInput: it lets in others too, its host is no address, or the name none.
        MissingExtra: zeroconf is not installed.
    """
    zeroconf()
    if certificates is None or certificates.client_ca is None:
        why = "anybody near by could ask it"
        raise InvalidInput(f"'{name}' cannot be announced: {why}; allowed: with a certificate, a key and a client CA")
    if not 0 < len(name.encode()) <= _LONGEST or "." in name:
        raise InvalidInput(f"the name to announce is '{name}'; allowed: up to {_LONGEST} bytes, no dots")
    try:
        ipaddress.ip_address(host)
    except ValueError as error:
        raise InvalidInput(
            f"the host to announce is '{host}'; allowed: an address, as 192.168.0.7 or 0.0.0.0"
        ) from error
