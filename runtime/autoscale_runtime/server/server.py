"""The offload server: a model repository behind the Open Inference Protocol, on one port.

>>> from autoscale_runtime.server.server import serve
>>> with serve(repository) as server:  # doctest: +SKIP
...     print(server.address)
127.0.0.1:43211
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import grpc

from autoscale.errors import InvalidInput
from autoscale.profiles import load_device
from autoscale_runtime._proto.open_inference_pb2_grpc import add_GRPCInferenceServiceServicer_to_server
from autoscale_runtime.host.cores import usable_cores
from autoscale_runtime.server.admission import Admission
from autoscale_runtime.server.dataplane import DataPlane
from autoscale_runtime.server.health import add_health_and_reflection
from autoscale_runtime.server.query_cost import ServerAccount
from autoscale_runtime.server.repository import Models, load_repository
from autoscale_runtime.server.servicer import InferenceServicer
from autoscale_runtime.wire.listening import listen

DEFAULT_MACHINE: Final = "xeon-p100"
"""The profile whose power and embodied carbon stand for a server that names no other."""

DEFAULT_WAITING: Final = 64

_OPTIONS: Final = (
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    ("grpc.so_reuseport", 0),  # else a second server on the same port takes half of the queries, silently
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
)
_SPARE_THREADS: Final = 8
"""Beside the queries: health checks and metadata answer while every query waits."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much the server does at once.

    Attributes:
        threads: that each query computes on; 0 for one for each core, at most 4.
        max_running: queries that run at the same time; 0 for as many as the cores have room for.
        max_waiting: queries that may wait for their turn; one more is refused.

    Raises:
        InvalidInput: a number below 0.
    """

    threads: int = 0
    max_running: int = 0
    max_waiting: int = DEFAULT_WAITING

    def __post_init__(self) -> None:
        for name in ("threads", "max_running", "max_waiting"):
            if getattr(self, name) < 0:
                raise InvalidInput(f"{name} is {getattr(self, name)}; allowed: 0 or more")

    def settled(self) -> "Limits":
        """The same, with what was left to the server decided by the cores it may use."""
        cores = usable_cores()
        threads = self.threads or min(cores, 4)
        return Limits(threads, self.max_running or max(1, cores // threads), self.max_waiting)


class Server:
    """A running server; use as a context manager, or call ``stop``.

    Attributes:
        address: ``host:port`` that clients connect to.
        port: the port alone, the one that was found if none was asked for.
        models: name to version to model.
    """

    def __init__(self, plane: DataPlane, limits: Limits, host: str, port: int) -> None:
        workers = ThreadPoolExecutor(limits.max_running + limits.max_waiting + _SPARE_THREADS, "offload")
        self.models: Models = plane.models
        self._server = grpc.server(workers, options=_OPTIONS)
        add_GRPCInferenceServiceServicer_to_server(InferenceServicer(plane), self._server)
        self._health = add_health_and_reflection(self._server)
        self.address, self.port = listen(self._server, host, port)
        self._grid = plane.account.grid
        self._grid.start()
        self._server.start()

    def stop(self, grace_s: float = 5.0) -> None:
        """Take no more queries, give those under way ``grace_s`` seconds, and let the models go."""
        self._health.enter_graceful_shutdown()
        self._grid.close()
        self._server.stop(grace_s).wait()
        for versions in self.models.values():
            for model in versions.values():
                model.runner.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def serve(
    repository: Path | str,
    host: str = "127.0.0.1",
    port: int = 0,
    limits: Limits | None = None,
    account: ServerAccount | None = None,
) -> Server:
    """Load a repository and start to answer.

    Args:
        repository: ``<repository>/<model>/<version>/model.onnx``.
        host: the address to listen at; the default is reached from this machine alone.
        port: 0 takes a free one.
        limits: how much it does at once.
        account: what its queries cost; by default the power table ``DEFAULT_MACHINE``.

    Raises:
        RepositoryError: no models there.
        ModelError: a file that is no model.
        InvalidInput: a port that is none.
        PortInUse: the address cannot be bound.
        MissingExtra: the packages of the extra ``serve`` are not installed.
    """
    limits = (limits or Limits()).settled()
    account = account or ServerAccount(load_device(DEFAULT_MACHINE))
    models = load_repository(Path(repository), limits.threads)
    plane = DataPlane(models, Admission(limits.max_running, limits.max_waiting), account)
    return Server(plane, limits, host, port)
