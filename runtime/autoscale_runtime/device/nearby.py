"""The servers near by as places where a session may run its queries."""

import logging
import re
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from autoscale.errors import AutoScaleError, InvalidInput
from autoscale_runtime.device.plan import RemoteModel
from autoscale_runtime.wire.access import Access, Bearer
from autoscale_runtime.wire.certificates import check_in_time, client_credentials
from autoscale_runtime.wire.client import OffloadClient
from autoscale_runtime.wire.dns_sd import TYPE, opened, zeroconf

_LOG: Final = logging.getLogger("autoscale.nearby")

MOST: Final = 16
"""Servers that are asked; on a network where somebody announces thousands, further ones are passed over."""

LOOK_S: Final = 3.0
"""A server that has just answered somebody else says nothing for a second (RFC 6762, section 6)."""

_ASKED_S: Final = 2.0
_NO_HOST: Final = re.compile(r"[^A-Za-z0-9._-]+")


class _Found(NamedTuple):
    name: str
    host: str
    address: str


def nearby(
    *,
    tls: bool | str | Path,
    certificate: str | Path,
    key: str | Path | None = None,
    model: str = "",
    server_name: str = "",
    token: str | Path = "",
    look_s: float = LOOK_S,
    interfaces: Sequence[str] = (),
) -> dict[str, RemoteModel]:
    """Look for servers on this network that announce themselves; give those that this device trusts.

    An announcement is nobody's word: each server is asked over mutual TLS, and one that does not show a certificate of
    the roots given, for its own name, is left out. What is found is good for ``remotes`` of a ``Session``.

    Args:
        tls: file in PEM of the roots to trust; True for the usual ones.
        certificate: file in PEM of this device's own.
        key: of its private key; None where that stands in the certificate's file.
        model: its name there: servers without it are left out; empty for what a session asks for by itself.
        server_name: the name that the servers' certificates have; empty for each one's own, as ``box.local``.
        token: a bearer token, or the ``Path`` of a file that holds one.
        look_s: how long to look.
        interfaces: addresses of this machine to look at; empty for all.

    Returns:
        ``edge:NAME`` to where it is and how it is spoken to.

    Raises:
        InvalidInput: a file that cannot be used: not there, no PEM, a key that is not the certificate's, a certificate
            that has expired; no TLS.
        MissingExtra: zeroconf is not installed.
    """
    _check(Access(tls, certificate, key, token, server_name))
    places = {}
    for found in _announced(look_s, interfaces):
        place = f"edge:{_NO_HOST.sub('-', found.name).strip('-._') or 'server'}"
        remote = RemoteModel(
            found.address,
            model,
            tls=tls,
            certificate=certificate,
            key=key,
            token=token,
            server_name=server_name or found.host,
        )
        if place not in places and is_trusted(remote):
            places[place] = remote
    return places


def _check(access: Access) -> None:
    """Say what is wrong with the files: else servers are left out for it, and where there is none nothing is said."""
    if not access.is_secure:
        raise InvalidInput(f"tls is {access.tls!r}; allowed: a file of root certificates, or True")
    client_credentials(access)
    check_in_time(access)
    Bearer(access.token)


def _announced(look_s: float, interfaces: Sequence[str]) -> Iterator[_Found]:
    names: list[str] = []

    def change(zeroconf: Any, service_type: str, name: str, state_change: Any) -> None:
        if name not in names:
            names.append(name)

    network = opened(interfaces)
    try:
        browser = zeroconf().ServiceBrowser(network, TYPE, handlers=[change])
        time.sleep(look_s)
        browser.cancel()
        for name in sorted(names)[:MOST]:
            info = network.get_service_info(TYPE, name, timeout=1e3 * _ASKED_S)
            addresses = [] if info is None else info.parsed_scoped_addresses()
            if addresses and info.port:
                host = f"[{addresses[0]}]" if ":" in addresses[0] else addresses[0]
                yield _Found(name.removesuffix(f".{TYPE}"), info.server.rstrip("."), f"{host}:{info.port}")
    finally:
        network.close()


def is_trusted(remote: RemoteModel) -> bool:
    """Whether this device trusts a server that announced itself, and that has the model; the log says why not."""
    client = OffloadClient(remote.address, remote.access)
    try:
        if remote.model:
            client.describe(remote.model, timeout_s=_ASKED_S)
        else:
            client.ask_live(_ASKED_S)
    except AutoScaleError as error:
        _LOG.warning("%s announces itself and is left out: %s", remote.address, error)
        return False
    else:
        return True
    finally:
        client.close()
