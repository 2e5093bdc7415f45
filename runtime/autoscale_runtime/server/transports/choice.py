"""The transports by name."""

from importlib import import_module
from importlib.util import find_spec
from typing import Final

from autoscale.errors import MissingExtra, one_of
from autoscale_runtime.server.transports.base import Transport

AUTO: Final = "auto"
GRPC: Final = "grpc"
FAST: Final = "fast"

_TRANSPORTS: Final = {
    GRPC: ("autoscale_runtime.server.transports.grpc_aio", "AioTransport"),
    FAST: ("autoscale_runtime.server.transports.fast.transport", "FastTransport"),
}
NAMES: Final = tuple(_TRANSPORTS)


def chosen(name: str) -> str:
    """The transport that a name stands for: ``auto`` is ``fast`` where its extra is installed, else ``grpc``.

    Raises:
        UnknownName: there is none.
    """
    one_of("transport", name, (AUTO, *NAMES))
    if name != AUTO:
        return name
    return FAST if find_spec("ngh2") is not None else GRPC


def transport_of(name: str) -> type[Transport]:
    """The transport that a name stands for.

    Raises:
        UnknownName: there is none.
        MissingExtra: the package that it needs is not installed.
    """
    name = chosen(name)
    module, kind = _TRANSPORTS[name]
    try:
        found: type[Transport] = getattr(import_module(module), kind)
    except ImportError as error:
        raise MissingExtra(str(error.name), FAST, "the transport 'fast'") from error
    return found
