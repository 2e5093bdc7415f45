"""``autoscale bench serve``."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from autoscale.command import Command, JsonOption, print_json
from autoscale.errors import InvalidInput, listing
from autoscale.units import readable
from autoscale_runtime.bench.loadgen import SUMMARY, check_installed, run
from autoscale_runtime.bench.plan import Plan
from autoscale_runtime.bench.report import Heat, report
from autoscale_runtime.models.inspection.inputs import parse_shapes
from autoscale_runtime.models.inspection.shape_option import ShapesOption
from autoscale_runtime.sensors.temperature import TemperatureSensor
from autoscale_runtime.wire.access import Access

_NAMES: Final = {
    "latency_p90_s": "latency p90",
    "latency_of_a_query_p99_s": "latency p99 of a query",
    "scheduled_samples_per_s": "samples that came",
    "samples_per_s": "samples",
}

app = typer.Typer(help="Measure a server with the field's own load generators.", no_args_is_help=True)


@app.callback()
def _bench() -> None:
    """Measure a server with the field's own load generators."""


@app.command("serve", cls=Command)
def serve_bench(
    server: Annotated[
        str,
        typer.Argument(
            help="A server of the Open Inference Protocol, HOST:PORT or grpcs://HOST:PORT; or a model repository, "
            "which is then served here, on a free port of loopback.",
            show_default=False,
        ),
    ],
    model: Annotated[
        str, typer.Option(help="Model to ask for; may be left out of a repository with one model.", show_default=False)
    ] = "",
    version: Annotated[str, typer.Option(help="Version of the model; the server's choice if left out.")] = "",
    scenario: Annotated[
        str, typer.Option(help="MLPerf's: SingleStream, MultiStream, Server or Offline.")
    ] = "SingleStream",
    qps: Annotated[
        float | None,
        typer.Option(help="With --scenario Server: queries a second, at random times (Poisson).", show_default=False),
    ] = None,
    latency_limit_s: Annotated[
        float, typer.Option(help="With --scenario Server: 99 % of the answers must come within this.")
    ] = 0.1,
    seconds: Annotated[float, typer.Option(help="How long the run takes at least; MLPerf asks for 600.")] = 10.0,
    clients: Annotated[int, typer.Option(help="Most calls that are open at once.")] = 64,
    streams: Annotated[int, typer.Option(help="With --scenario MultiStream: samples a query.")] = 8,
    shape: ShapesOption = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the schedule.")] = 0,
    roots: Annotated[
        Path | None,
        typer.Option(help="Roots in PEM to trust, where the server speaks TLS.", show_default=False),
    ] = None,
    token: Annotated[
        Path | None, typer.Option(help="File that holds the bearer token to show.", show_default=False)
    ] = None,
    logs: Annotated[
        Path | None,
        typer.Option(help="Folder that gets LoadGen's own logs; thrown away if left out.", show_default=False),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Measure an offload server with MLPerf's LoadGen, and the joules of each sample beside.

    The result is LoadGen's, measured here, by the rules of its scenario.
    Joules are those the server tells in its answers, of its own machine,
    with how it knows them. Every sample is the same query, of the model's
    shapes: what it costs counts, not what it answers.

    Exit code 1: LoadGen calls the run invalid, or samples had no answer.

    Example: autoscale bench serve models --scenario Server --qps 50

    Example: autoscale bench serve box:8001 --model resnet --scenario Offline
    """
    check_installed()
    access = Access(tls=roots or False, token=token or "") if roots or token else None
    shapes = parse_shapes(shape or [])
    plan = Plan("", model, version, scenario, qps, latency_limit_s, seconds, clients, streams, shapes, seed, access)
    folder = nullcontext(logs) if logs is not None else tempfile.TemporaryDirectory()
    with folder as place, _reached(server, plan) as reached:
        Path(place).mkdir(parents=True, exist_ok=True)
        before_c = TemperatureSensor().sense().temperature_c
        found = _carried_out(reached, Path(place), is_quiet=as_json)
        heat = Heat(before_c, TemperatureSensor().sense().temperature_c)
        figures = report(reached, found, heat)
    if as_json:
        print_json(figures)
    else:
        _show(figures, None if logs is None else logs / SUMMARY)
    if not found.is_valid:
        raise typer.Exit(1)


@contextmanager
def _reached(server: str, plan: Plan) -> Iterator[Plan]:
    """The plan with the address, and the model, that it is about."""
    folder = Path(server)
    if not folder.is_dir():
        if not plan.model:
            raise InvalidInput("no --model is given; allowed: the name of one at the server")
        yield replace(plan, address=server)
        return
    from autoscale_runtime.server.server import serve
    from autoscale_runtime.server.workers.isolated import IS_POSSIBLE

    with serve(folder, isolate=IS_POSSIBLE) as ours:
        names = sorted(ours.models)
        if not plan.model and len(names) > 1:
            raise InvalidInput(f"no --model is given; allowed: {listing(names)}")
        yield replace(plan, address=ours.address, model=plan.model or names[0])


def _carried_out(plan: Plan, folder: Path, is_quiet: bool) -> Any:
    columns = TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[samples]} samples")
    console = Console(stderr=True)
    with Progress(*columns, TimeElapsedColumn(), console=console, disable=is_quiet, transient=True) as progress:
        task = progress.add_task(plan.scenario, total=plan.duration_s, samples=0)

        def tell(samples: int) -> None:
            elapsed_s = progress.tasks[task].elapsed or 0.0
            progress.update(task, completed=min(elapsed_s, plan.duration_s), samples=samples)

        return run(plan, folder, tell)


def _show(figures: dict[str, Any], summary: Path | None) -> None:
    table = Table(box=box.SIMPLE, show_header=False)
    (name, value), *_ = figures["result"].items()
    table.add_row(_NAMES[name], _text(value, name), "measured, by LoadGen's rules")
    for each, latency_s in figures["latency_s"].items():
        table.add_row(f"latency {each}", _text(latency_s, "_s"), "measured, at the client")
    table.add_row("model alone", _text(figures["compute_s"]["mean"], "_s"), "as the server tells, mean")
    energy = figures["energy_j"]
    told = ", ".join(energy["methods"]) or "the server tells none"
    table.add_row("energy a sample", "-" if energy["mean"] is None else readable(energy["mean"], "J"), told)
    heat = figures["temperature_c"]
    if heat["before"] is not None:
        table.add_row("processor", f"{heat['before']:.0f} to {heat['after']:.0f} °C", "of this machine")
    console = Console()
    verdict = "valid" if figures["is_valid"] else f"INVALID: {escape(figures['why_not'])}"
    console.print(
        f"{figures['scenario']} of {escape(figures['model'])} at {escape(figures['address'])}: "
        f"{figures['samples']} samples, {verdict}"
    )
    console.print(table)
    for error, count in figures["errors"].items():
        console.print(f"{count} samples had no answer: {error}")
    if summary is not None:
        console.print(f"LoadGen's own words: {escape(str(summary))}")


def _text(value: float | None, name: str) -> str:
    if value is None:
        return "-"
    return f"{value:.1f}/s" if name.endswith("per_s") else readable(value, "s")
