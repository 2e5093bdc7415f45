"""``autoscale serve``."""

import logging
import os
import queue
import signal
import threading
from concurrent.futures import CancelledError
from pathlib import Path
from typing import Annotated

import typer

from autoscale.carbon import Electricity
from autoscale.carbon.intensity.places import WORLD
from autoscale.command import HostOption, PortOption
from autoscale.errors import AutoScaleError
from autoscale.profiles import load_device
from autoscale_runtime.host.fingerprint import tell_if_foreign
from autoscale_runtime.host.stop_signal import StopSignal
from autoscale_runtime.meters import best_meter
from autoscale_runtime.server.access_log import AccessLog
from autoscale_runtime.server.announcement import Announcement, check_announcement
from autoscale_runtime.server.configuration import Configuration, read_configuration
from autoscale_runtime.server.limits import DEFAULT_WAITING, Limits
from autoscale_runtime.server.operation import Operation
from autoscale_runtime.server.query_cost import ServerAccount
from autoscale_runtime.server.server import DEFAULT_MACHINE, DRAIN_S, Server
from autoscale_runtime.server.tracing import Traces
from autoscale_runtime.server.transports.choice import AUTO
from autoscale_runtime.server.workers.isolated import IS_POSSIBLE
from autoscale_runtime.wire.certificate_options import CertificateOption, ClientRootsOption, KeyOption
from autoscale_runtime.wire.certificates import certificates_of
from autoscale_runtime.wire.malloc import keep_freed_memory
from autoscale_runtime.wire.tokens import TokenFile

_MIB = 1 << 20
_LAST_S = 10.0
"""After its drain a server that has not ended yet is ended, whatever it does."""


def _configured(context: typer.Context, path: Path | None) -> Path | None:
    """The file's [server] stands in for options that are not given."""
    if path is not None:
        options = {each.name for each in context.command.params if each.name not in (None, "repository", "config")}
        said = read_configuration(path, sorted(str(each) for each in options)).server
        context.default_map = {**(context.default_map or {}), **{key: str(value) for key, value in said.items()}}
    return path


def serve(
    repository: Annotated[
        Path,
        typer.Argument(
            help="Model repository: REPOSITORY/<model>/<version>/model.onnx, or bundles made by autoscale prepare.",
            show_default=False,
        ),
    ],
    host: HostOption = "127.0.0.1",
    port: PortOption = 8001,
    model_name: Annotated[
        str, typer.Option(help="REPOSITORY is this one model: its versions, a bundle, or the model file alone.")
    ] = "",
    isolate: Annotated[
        bool,
        typer.Option(
            help="Run each model in a process of its own: one that crashes or hangs harms no other. It costs some "
            "80 MiB a model and 0.1 ms a query."
        ),
    ] = IS_POSSIBLE,
    transport: Annotated[
        str,
        typer.Option(
            help="What speaks with clients: grpc (gRPC's own server), fast (libnghttp2, less CPU; extra 'fast'), or "
            "auto: fast where that extra is installed."
        ),
    ] = AUTO,
    threads_per_model: Annotated[
        int, typer.Option(min=0, help="Threads each query computes on; 0: one a core, at most 4.")
    ] = 0,
    max_concurrency: Annotated[
        int, typer.Option(min=0, help="Queries of a model that run at once; 0: as many as there are cores for.")
    ] = 0,
    max_queue: Annotated[
        int, typer.Option(min=0, help="Queries of a model that may wait; one more is refused (RESOURCE_EXHAUSTED).")
    ] = DEFAULT_WAITING,
    max_message_mib: Annotated[
        int, typer.Option(min=1, help="Longest request, decompressed, and longest answer, in MiB.")
    ] = 64,
    max_streams: Annotated[int, typer.Option(min=1, help="Calls one connection may have open at once.")] = 256,
    request_timeout_s: Annotated[
        float, typer.Option(min=0.1, help="Seconds from a request's head to its last byte.")
    ] = 120.0,
    max_compute_s: Annotated[
        float, typer.Option(min=0.0, help="Seconds after which a started query is ended; 0: never.")
    ] = 300.0,
    drain_s: Annotated[
        float, typer.Option(min=0.0, help="Seconds that queries under way have to end after SIGTERM.")
    ] = DRAIN_S,
    tls_cert: CertificateOption = None,
    tls_key: KeyOption = None,
    client_ca: ClientRootsOption = None,
    tokens: Annotated[
        Path | None,
        typer.Option(help="TOML file of bearer tokens, as digests, with quotas: [clients.NAME].", show_default=False),
    ] = None,
    metrics_port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, help="Prometheus's page, at http://HOST:PORT/metrics.", show_default=False),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Log warnings and errors alone.")] = False,
    access_log: Annotated[
        Path | None,
        typer.Option(help="File to which a line of JSON is added for each query.", show_default=False),
    ] = None,
    announce: Annotated[
        str | None,
        typer.Option(
            help="Tell machines near by, by this name, that it is here (DNS-SD; mutual TLS only; extra 'nearby').",
            show_default=False,
        ),
    ] = None,
    traces: Annotated[
        str | None,
        typer.Option(
            help="Collector of OpenTelemetry, http://HOST:4317, that gets a span for each query (extra 'telemetry').",
            show_default=False,
        ),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(
            help="TOML file: these options in [server], how a model is served in [models.NAME].",
            show_default=False,
            is_eager=True,
            callback=_configured,
        ),
    ] = None,
    power_table: Annotated[
        str,
        typer.Option(
            help="Device profile (a name, or a .toml file) whose watts and embodied carbon stand for this machine."
        ),
    ] = DEFAULT_MACHINE,
    region: Annotated[
        str, typer.Option(help="Country, grid zone or cloud region (aws:eu-west-1) that it draws electricity in.")
    ] = WORLD,
    intensity: Annotated[
        str,
        typer.Option(
            help="Who tells the carbon intensity of that electricity: yearly, electricity-maps, watttime, "
            "carbon-aware-sdk, neso, a CSV file of hours, or a figure in gCO2e/kWh."
        ),
    ] = "yearly",
    pue: Annotated[
        float | None,
        typer.Option(min=1.0, help="Power usage effectiveness of its building.", show_default="a large data centre's"),
    ] = None,
    tune: Annotated[
        str | None,
        typer.Option(
            help="Do not serve: find how this model answers most queries a second within --p99-s, and write its batch, "
            "instances and threads into --config.",
            show_default=False,
        ),
    ] = None,
    p99_s: Annotated[float, typer.Option(help="With --tune: what 99 % of the answers must keep.")] = 0.1,
) -> None:
    """Answer queries of other devices over gRPC (Open Inference Protocol v2).

    Prints "serving 2 models on 127.0.0.1:8001" once it is ready; what it
    leaves out, and why, goes to stderr. SIGTERM or Ctrl-C stops it after the
    queries under way have their answers, in --drain-s at most; SIGHUP looks
    at the repository again and loses no query.

    Any client of the protocol can use it. The parameters of each answer tell
    energy_joules, carbon_operational_g, carbon_embodied_g, queue_us,
    compute_us and measurement_method: energy is measured where the machine
    has RAPL, else modelled by the power table. carbon_..._low_g and _high_g
    bound the grams; carbon_intensity_g_per_kwh and carbon_region tell the grid.

    Example: autoscale serve models --port 8001 --region FR --intensity yearly

    Example: autoscale serve models --tune resnet --p99-s 0.1 --config server.toml
    """
    if tune is not None:
        from autoscale_runtime.server.tuning.tune_report import tune_and_write

        tune_and_write(repository, tune, p99_s, config)
        return
    logging.basicConfig(
        format="%(asctime)s %(levelname)s %(name)s: %(message)s", level=logging.WARNING if quiet else logging.INFO
    )
    keep_freed_memory()
    meter, why = best_meter(power_table, ["rapl", "modelled"])
    account = ServerAccount(tell_if_foreign(load_device(power_table)), Electricity(region, intensity), pue, meter)
    limits = Limits(
        threads_per_model,
        max_concurrency,
        max_queue,
        max_message_mib * _MIB,
        max_streams,
        body_s=request_timeout_s,
        max_compute_s=max_compute_s,
    )
    stop = StopSignal()
    operation = Operation(
        certificates_of(tls_cert, tls_key, client_ca),
        None if tokens is None else TokenFile(tokens),
        metrics_port,
        Configuration() if config is None else read_configuration(config),
        None if access_log is None else AccessLog(access_log),
        None if traces is None else Traces(traces),
    )
    if announce is not None:
        check_announcement(announce, host, operation.certificates)
    with Server(
        limits,
        account,
        host,
        port,
        repository,
        model_name,
        isolate=isolate,
        owns_process=isolate,
        operation=operation,
        transport=transport,
    ) as server:
        log = logging.getLogger("autoscale.server")
        log.info("%s; power table '%s', electricity of '%s'", why, power_table, region)
        log.info("transport '%s'", server.transport)
        if host not in ("127.0.0.1", "::1", "localhost"):
            _warn(log, host, operation)
        if server.metrics_port is not None:
            log.info("metrics at http://%s:%d/metrics", host, server.metrics_port)
        _reload_on_signal(server)
        announced = None if announce is None else Announcement(announce, host, server.port, operation.certificates)
        print(_greeting(server), flush=True)
        stop.wait()
        end = threading.Timer(drain_s + _LAST_S, os._exit, [1])
        end.daemon = True
        end.start()
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        if announced is not None:
            announced.close()
        server.stop(drain_s)
        if operation.traces is not None:
            operation.traces.close()


def _reload_on_signal(server: Server) -> None:
    """On a thread of its own, one reload for all signals that came during the last one."""
    asked: queue.SimpleQueue[None] = queue.SimpleQueue()  # a handler may interrupt itself: it takes no lock

    def reload() -> None:
        while True:
            asked.get()
            while not asked.empty():
                asked.get()
            _reload(server)

    signal.signal(signal.SIGHUP, lambda *_: asked.put(None))
    threading.Thread(target=reload, name="reload", daemon=True).start()


def _reload(server: Server) -> None:
    """What is wrong is told, and what was served goes on."""
    log = logging.getLogger("autoscale.server")
    try:
        server.reload()
    except CancelledError:
        log.info("nothing was reloaded, the server is stopping")
    except AutoScaleError as error:
        log.error("nothing was reloaded, what is served stays: %s", error)
    except Exception:  # the next signal must find this thread
        log.exception("nothing was reloaded, what is served stays")


def _warn(log: logging.Logger, host: str, operation: Operation) -> None:
    """Of what is open to whoever reaches this address."""
    if operation.certificates is None:
        log.warning("LISTENING AT %s WITHOUT ENCRYPTION: whoever is on the way reads along; see --tls-cert", host)
    if operation.tokens is None and (operation.certificates is None or operation.certificates.client_ca is None):
        log.warning("EVERYBODY WHO REACHES %s IS ANSWERED; see --tokens and --client-ca", host)


def _greeting(server: Server) -> str:
    count = len(server.models)
    return f"serving {count} model{'s' if count != 1 else ''} on {server.address}"
