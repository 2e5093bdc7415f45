"""Where a server listens, and why it cannot: one home for the offload server and the collector."""

import socket
from functools import cache

import grpc
import grpc.aio

from autoscale.errors import InvalidInput, PortInUse

_MOST = 2**16 - 1


def listen(
    server: grpc.Server | grpc.aio.Server, host: str, port: int, credentials: grpc.ServerCredentials | None = None
) -> tuple[str, int]:
    """Bind a server that has not started yet.

    Args:
        server: gRPC's.
        host: a name or address of this machine; ``0.0.0.0`` for all of them.
        port: 0 takes a free one.
        credentials: for TLS; None listens without encryption.

    Returns:
        ``host:port`` that clients connect to, and the port alone.

    Raises:
        InvalidInput: a port that is none.
        PortInUse: the address cannot be bound; the message says why.
    """
    check_can_listen(host, port)
    if isinstance(server, grpc.aio.Server):
        _keep_engine()
    name = _named(host, port)
    try:
        found = server.add_insecure_port(name) if credentials is None else server.add_secure_port(name, credentials)
    except (OSError, RuntimeError) as error:
        raise _in_use(host, port, error) from error
    return _named(host, found), found


def bound(host: str, port: int, backlog: int) -> tuple[str, int, socket.socket]:
    """A socket that is bound, for a server that brings none of its own.

    Returns:
        ``host:port`` that clients connect to, the port alone, and the socket.

    Raises:
        InvalidInput: a port that is none.
        PortInUse: the address cannot be bound; the message says why.
    """
    if type(port) is not int or not 0 <= port <= _MOST:  # gRPC takes it modulo 65536
        raise InvalidInput(f"port is {port!r}; allowed: 0 (takes a free one) to {_MOST}")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        made = socket.create_server((host, port), family=family, backlog=backlog, dualstack_ipv6=host == "::")
    except OSError as error:
        raise _in_use(host, port, error) from error
    found = int(made.getsockname()[1])
    return _named(host, found), found, made


def check_can_listen(host: str, port: int) -> None:
    """Raise unless an address can be bound now: with a plain socket, which tells the cause as gRPC does not.

    Raises:
        InvalidInput: a port that is none.
        PortInUse: the address cannot be bound; the message says why.
    """
    bound(host, port, 0)[2].close()


def _in_use(host: str, port: int, error: Exception) -> PortInUse:
    cause = str(getattr(error, "strerror", None) or error).partition(" (")[0]
    return PortInUse(
        f"cannot listen at {_named(host, port)}: {cause}; allowed: an address of this machine "
        "(0.0.0.0 for all of them), and a free port; 0 takes any"
    )


def _named(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


@cache
def _keep_engine() -> None:
    """Keep what gRPC's asyncio servers have in common for as long as this process lives.

    The last of them to be collected as garbage would end it and wait for its thread, which waits for calls that nobody
    finishes any more, as of a server that a caller has ended: for ever, wherever the collector happens to run.
    """
    grpc.aio.init_grpc_aio()
