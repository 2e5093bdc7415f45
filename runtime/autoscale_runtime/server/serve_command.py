"""``autoscale serve``."""

from pathlib import Path
from typing import Annotated

import typer

from autoscale.carbon import Electricity
from autoscale.carbon.intensity.places import WORLD
from autoscale.profiles import load_device
from autoscale_runtime.host.fingerprint import tell_if_foreign
from autoscale_runtime.host.stop_signal import StopSignal
from autoscale_runtime.meters import best_meter
from autoscale_runtime.server.query_cost import ServerAccount
from autoscale_runtime.server.server import DEFAULT_MACHINE, DEFAULT_WAITING, Limits, Server
from autoscale_runtime.server.server import serve as start
from autoscale_runtime.wire.malloc import keep_freed_memory


def serve(
    repository: Annotated[
        Path,
        typer.Argument(
            help="Model repository: REPOSITORY/<model>/<version>/model.onnx, or bundles made by autoscale prepare.",
            show_default=False,
        ),
    ],
    host: Annotated[str, typer.Option(help="Address to listen at; 0.0.0.0 lets other machines in.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen at; 0 takes a free one.")] = 8001,
    threads_per_model: Annotated[
        int, typer.Option(min=0, help="Threads each query computes on; 0: one a core, at most 4.")
    ] = 0,
    max_concurrency: Annotated[
        int, typer.Option(min=0, help="Queries that run at once; 0: as many as there are cores for.")
    ] = 0,
    max_queue: Annotated[
        int, typer.Option(min=0, help="Queries that may wait; one more is refused with RESOURCE_EXHAUSTED.")
    ] = DEFAULT_WAITING,
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
        typer.Option(min=1.0, help="Power usage effectiveness of its building [default: a large data centre's]."),
    ] = None,
) -> None:
    """Answer queries of other devices over gRPC (Open Inference Protocol v2).

    Prints "serving 2 models on 127.0.0.1:8001" once it is ready. SIGTERM or
    Ctrl-C stops it, after the queries under way have their answers.

    Any client of the protocol can use it. The parameters of each answer tell
    energy_joules, carbon_operational_g, carbon_embodied_g, queue_us,
    compute_us and measurement_method: energy is measured where the machine
    has RAPL, else modelled by the power table. carbon_..._low_g and _high_g
    bound the grams; carbon_intensity_g_per_kwh and carbon_region tell the grid.

    Example: autoscale serve models --port 8001 --region FR --intensity yearly
    """
    keep_freed_memory()
    meter, _ = best_meter(power_table, ["rapl"])
    account = ServerAccount(tell_if_foreign(load_device(power_table)), Electricity(region, intensity), pue, meter)
    limits = Limits(threads_per_model, max_concurrency, max_queue)
    stop = StopSignal()
    with start(repository, host, port, limits, account) as server:
        print(_greeting(server), flush=True)
        stop.wait()


def _greeting(server: Server) -> str:
    count = len(server.models)
    return f"serving {count} model{'s' if count != 1 else ''} on {server.address}"
