"""The transports by name."""

from importlib import import_module
from typing import Final

from autoscale.errors import MissingExtra, one_of
from autoscale_runtime.server.transports.base import Transport

GRPC: Final = "grpc"
FAST: Final = "fast"

_TRANSPORTS: Final = {
    GRPC: ("autoscale_runtime.server.transports.grpc_aio", "AioTransport"),
    FAST: ("autoscale_runtime.server.transports.fast.transport", "FastTransport"),
}
NAMES: Final = tuple(_TRANSPORTS)


def transport_of(name: str) -> type[Transport]:
    """The transport of that name.

    Raises:
        UnknownName: there is none.
        MissingExtra: the package that it needs is not installed.
    """
    one_of("transport", name, NAMES)
    module, kind = _TRANSPORTS[name]
    try:
        found: type[Transport] = getattr(import_module(module), kind)
    except ImportError as error:
        raise MissingExtra(str(error.name), FAST, "the transport 'fast'") from error
    return found
