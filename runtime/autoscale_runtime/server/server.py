"""The offload server: a model repository behind the Open Inference Protocol, on one port.

>>> from autoscale_runtime.server.server import serve
>>> with serve(repository) as server:  # doctest: +SKIP
...     print(server.address)
127.0.0.1:43211
"""

import asyncio
import contextlib
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from autoscale.errors import AutoScaleError, InvalidInput, PortInUse, RepositoryError
from autoscale.profiles import load_device
from autoscale_runtime.server.event_loop import EventLoop
from autoscale_runtime.server.execution.answering import Rules
from autoscale_runtime.server.execution.here import ThreadHost
from autoscale_runtime.server.execution.host import Host
from autoscale_runtime.server.execution.served_model import LoadedModel, Models
from autoscale_runtime.server.execution.threads import ThreadExecutor
from autoscale_runtime.server.front import SERVICE, STREAMING, UNARY, Front
from autoscale_runtime.server.health import Health
from autoscale_runtime.server.limits import Limits
from autoscale_runtime.server.metrics import MetricsPage
from autoscale_runtime.server.operation import Operation
from autoscale_runtime.server.query_cost import ServerAccount
from autoscale_runtime.server.repository.scan import Found, scan
from autoscale_runtime.server.serving import Serving
from autoscale_runtime.server.transports.base import Methods
from autoscale_runtime.server.transports.choice import AUTO, chosen, transport_of
from autoscale_runtime.server.workers.isolated import IS_POSSIBLE, WorkerHost
from autoscale_runtime.wire.listening import check_can_listen

DEFAULT_MACHINE: Final = "xeon-p100"
"""The profile whose power and embodied carbon stand for a server that names no other."""

DRAIN_S: Final = 5.0
"""How long queries under way have to end when the server stops."""

_ENDED_S: Final = 2.0
_TICK_S: Final = 1.0


class Server:
    """A running server; use as a context manager, or call ``stop``.

    Its event loop has a thread of its own. Models run in processes of their own where it is isolated, else on threads
    of this one: then a model that crashes ends this process, and one that hangs holds its threads for ever.

    Attributes:
        address: ``host:port`` that clients connect to.
        port: the port alone, the one that was found if none was asked for.
        transport: what speaks with clients, ``grpc`` or ``fast``.
        metrics_port: where Prometheus finds its page; None for nowhere.

    Args:
        limits: how much it does at once.
        account: what its queries cost.
        host: the address to listen at.
        port: 0 takes a free one.
        repository: a folder of models.
        model_name: the folder is that one model.
        loaded: models instead of a folder, by name and version.
        isolate: whether models run in processes of their own.
        owns_process: whether all CPU time of this process is the server's.
        operation: who may call, what is encrypted, what it tells of itself.
        transport: as of :func:`serve`.
    """

    address: str
    port: int
    metrics_port: int | None

    def __init__(
        self,
        limits: Limits,
        account: ServerAccount,
        host: str = "127.0.0.1",
        port: int = 0,
        repository: Path | None = None,
        model_name: str = "",
        loaded: Mapping[str, Mapping[int, LoadedModel]] | None = None,
        isolate: bool = False,
        owns_process: bool = False,
        operation: Operation | None = None,
        transport: str = AUTO,
    ) -> None:
        self.transport = chosen(transport)
        self._new_transport = transport_of(self.transport)
        if isolate and not IS_POSSIBLE:
            raise InvalidInput("isolate is True; allowed on this system: False, models within the server's process")
        self._limits, self._account = limits.settled(), account
        self._repository, self._model_name = repository, model_name
        self._loaded, self._isolate = loaded or {}, isolate
        self._owns_process, self._operation = owns_process, operation or Operation()
        self._updates = asyncio.Lock()
        self._is_stopped = False
        self._loop = EventLoop()
        try:
            self._loop.run(self._start(host, port))
        except BaseException:
            self._loop.close()
            raise

    @property
    def models(self) -> Models:
        """What it serves now: name to version to model."""
        return self._serving.versions()

    @property
    def waiting(self) -> int:
        """Queries that wait for their turn."""
        return sum(each.scheduler.waiting for each in self._serving.models.values())

    @property
    def running(self) -> int:
        """Queries that run."""
        return sum(each.scheduler.running for each in self._serving.models.values())

    @property
    def left_out(self) -> Mapping[str, str]:
        """What of the repository is not served: path to reason."""
        return self._serving.left_out

    def reload(self) -> list[AutoScaleError]:
        """Look at the repository again, without losing a query; gives why something of it is not served."""
        return self._loop.run(self._reload())

    def stop(self, grace_s: float = DRAIN_S) -> None:
        """Take no more queries, give those under way ``grace_s`` seconds, end the rest, and let the models go."""
        if not self._is_stopped:
            self._is_stopped = True
            self._loop.run(self._stop(grace_s))
            self._account.grid.close()
            self._loop.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    async def _start(self, host: str, port: int) -> None:
        check_can_listen(host, port)  # before models are loaded, which may take minutes
        models = self._host()
        self._serving = Serving(models, self._limits, self._changed)
        clock = time.process_time if self._owns_process else time.thread_time
        reload = self._reload_one if self._repository is not None else None
        log = None if self._operation.access_log is None else self._operation.access_log.write
        self._front = Front(self._serving, self._account, reload, clock, log, self._operation.traces)
        self._serving.on_begin, self._serving.on_end = self._front.on_begin, self._front.on_end
        self._health = Health(SERVICE)
        unary, streaming = (frozenset(f"{SERVICE}/{name}" for name in names) for names in (UNARY, STREAMING))
        methods = Methods(unary, streaming, self._health.methods)
        try:
            await self._load(models)
            self._transport = self._new_transport(methods, self._front, self._limits, self._operation.tokens)
            self.address, self.port = await self._transport.listen(host, port, self._operation.certificates)
            await self._tell_metrics(host)
        except BaseException:
            await self._serving.close()
            raise
        self._account.grid.start()
        await self._transport.start()
        self._ticks = asyncio.get_running_loop().create_task(self._tick())

    async def _tell_metrics(self, host: str) -> None:
        self._metrics, self.metrics_port = MetricsPage(self._serving, self._account), None
        port = self._operation.metrics_port
        if port is not None:
            try:
                self.metrics_port = await self._metrics.listen(host, port)
            except OSError as error:
                raise PortInUse(
                    f"cannot tell metrics at {host}:{port}: {error.strerror}; allowed: a free port"
                ) from error

    def _host(self) -> Host:
        if self._isolate:
            return WorkerHost(self._limits.max_message_bytes, self._account.overhead)
        return ThreadHost(self._limits.max_message_bytes)

    async def _load(self, host: Host) -> None:
        for name, versions in self._loaded.items():
            executor = ThreadExecutor(versions, self._limits.max_running, Rules(1, self._limits.max_message_bytes))
            self._serving.put(name, {version: each.served for version, each in versions.items()}, executor)
        if self._repository is not None:
            refused = await self._reload()
            if not self._serving.models:
                raise refused[0] if refused else RepositoryError(f"'{self._repository}' holds no models")

    async def _reload(self) -> list[AutoScaleError]:
        async with self._updates:
            return await self._serving.update(await asyncio.to_thread(self._scan))

    async def _reload_one(self, name: str) -> None:
        """Look at one model's folder again, and load it though it was taken away; no other's is looked at."""
        async with self._updates:
            found = await asyncio.to_thread(self._scan)
            if name in found.entries:
                if refused := await self._serving.load(found.entries[name]):
                    raise refused[0]  # though a good one goes on: whoever asked for the new one must know
            elif (wrong := next((e for path, e in found.refused.items() if Path(path).name == name), None)) is not None:
                raise wrong

    def _scan(self) -> Found:
        assert self._repository is not None
        try:
            found = scan(self._repository, self._limits.threads, self._model_name)
        except OSError as error:
            raise RepositoryError(f"'{self._repository}' cannot be read: {error.strerror or error}") from error
        return self._operation.configuration.applied(found)

    async def _tick(self) -> None:
        """For ever: what has run too long, and time that is nobody's."""
        while True:
            await asyncio.sleep(_TICK_S)
            self._serving.sweep()
            self._front.idle()
            self._account.tick()

    async def _stop(self, grace_s: float) -> None:
        self._front.is_draining = True
        self._metrics.close()
        self._health.leave()
        ends_s = time.monotonic() + grace_s
        await self._transport.leave(grace_s + _ENDED_S)
        while (self._serving.is_busy or self._transport.under_way) and time.monotonic() < ends_s:
            await asyncio.sleep(0.01)
        await self._serving.close()
        ends_s = time.monotonic() + _ENDED_S / 2
        while self.running and time.monotonic() < ends_s:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0)  # answers just given are on their way
        await self._transport.stop(0.05)  # what only watches ends too
        self._ticks.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._ticks

    def _changed(self, name: str, is_served: bool) -> None:
        self._health.set(name, is_served)


def serve(
    repository: Path | str,
    host: str = "127.0.0.1",
    port: int = 0,
    limits: Limits | None = None,
    account: ServerAccount | None = None,
    *,
    isolate: bool = False,
    model_name: str = "",
    transport: str = AUTO,
) -> Server:
    """Load a repository and start to answer.

    Args:
        repository: ``<repository>/<model>/<version>/model.onnx``.
        host: the address to listen at; the default is reached from this machine alone.
        port: 0 takes a free one.
        limits: how much it does at once.
        account: what its queries cost; by default the power table ``DEFAULT_MACHINE``.
        isolate: run models in processes of their own, so that one that crashes or hangs harms no other; it costs some
            80 MiB a model and a tenth of a millisecond a query. Without it they run on threads of this process.
        model_name: the folder is that one model, or holds its file alone, as KServe mounts it.
        transport: what speaks with clients: ``grpc``, ``fast``, or ``auto``: ``fast`` where the extra of that name is
            installed, else ``grpc``.

    Raises:
        RepositoryError: no models there.
        ModelError: a file that is no model.
        InvalidInput: a port that is none.
        PortInUse: the address cannot be bound.
        MissingExtra: the packages of the extra ``serve`` are not installed.
    """
    account = account or ServerAccount(load_device(DEFAULT_MACHINE))
    return Server(
        limits or Limits(),
        account,
        host,
        port,
        Path(repository),
        model_name=model_name,
        isolate=isolate,
        transport=transport,
    )
