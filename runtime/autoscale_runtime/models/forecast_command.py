"""``autoscale forecast``: what a network would cost on every target of a device, before anything has run."""

import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Annotated, Any, Final, TypeAlias

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from autoscale.carbon import Electricity
from autoscale.carbon.intensity.places import WORLD
from autoscale.command import JsonOption, print_json
from autoscale.interval import Interval
from autoscale.physics.measured import namesake_of
from autoscale.prediction import Conditions, Prediction, predictions
from autoscale.profiles import DeviceProfile, load_device
from autoscale.profiles.remote_options import LinksOption, RemotesOption, parse_reach
from autoscale.profiles.remotes import make_remotes
from autoscale.query.model_profile import ModelProfile
from autoscale.query.outcome import Method
from autoscale.query.target import Target
from autoscale.units import readable_range
from autoscale_runtime.models.asked_network import AskedNetwork, asked_network
from autoscale_runtime.models.inspection.inputs import parse_shapes
from autoscale_runtime.models.inspection.inspect_command import ask_for_shape
from autoscale_runtime.models.inspection.shape_option import ShapesOption

FIGURES: Final = {"latency_s": "s", "energy_j": "J", "carbon_g": "g"}
"""What is told of a target, and in which unit."""

MEANING: Final = {
    Method.MEASURED: "measured on this device",
    Method.MODELLED: "by a model that was fitted to measurements",
    Method.DEFAULT: "rests on a figure that nobody measured of it",
}

PlaceOption: TypeAlias = Annotated[
    str, typer.Option(help="Where the device is charged: country, grid zone or cloud region.")
]
SignalOption: TypeAlias = Annotated[
    float | None, typer.Option(help="Signal of every link; a regular one if left out.", show_default=False)
]
CpuLoadOption: TypeAlias = Annotated[float, typer.Option(help="What others load the cores with, 0 to 1.")]


def forecast(
    network: Annotated[
        str,
        typer.Argument(
            help="A network that ships, as mobilenet-v1; a .toml; a bundle's folder; an .onnx or .tflite file."
        ),
    ],
    device: Annotated[str, typer.Option(help="A device: a name of 'autoscale devices', or a .toml.")],
    remotes: RemotesOption = "",
    links: LinksOption = "",
    shape: ShapesOption = None,
    settings: Annotated[
        str,
        typer.Option(
            help="What the device's targets set: dvfs, or threads as a session's do; dvfs where it has clock steps.",
            show_default=False,
        ),
    ] = "",
    place: PlaceOption = WORLD,
    intensity: Annotated[
        str, typer.Option(help="Who tells gCO2e/kWh: yearly, a registered source, a CSV file of hours, a figure.")
    ] = "yearly",
    rssi_dbm: SignalOption = None,
    cpu_load: CpuLoadOption = 0.0,
    memory_load: Annotated[float, typer.Option(help="What others take of the memory's bandwidth, 0 to 1.")] = 0.0,
    cold: Annotated[
        bool, typer.Option("--cold", help="The first query: the device has yet to load and compile the model.")
    ] = False,
    every: Annotated[
        bool,
        typer.Option("--all", help="Show every setting, not the most frugal of each kind alone."),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """What one query of a network would cost on every target: seconds, joules of the device, grams of CO2e in all.

    Each figure has its low, middle and high, and how it is known. Measured rows of the device's file (see
    'autoscale calibrate') come first; near them they correct the model. The physics are the simulator's and the
    session's. A query comes by itself: a link's radio is woken and pays its tail.

    Example: autoscale forecast mobilenet-v1 --device pixel9 --remotes cloud=gpu-server

    Example: autoscale forecast model.onnx --device mine.toml --cpu-load 0.5 --json
    """
    profile = load_device(device)
    reach = make_remotes(*parse_reach(remotes, links))
    conditions = Conditions(cpu_load, memory_load, rssi_dbm, cold)
    electricity = Electricity(place, intensity)
    ask = ask_for_shape if sys.stdin.isatty() else None
    asked = asked_network(network, parse_shapes(shape or []), ask, profile)
    wanted = settings or ("dvfs" if has_steps(profile) else "threads")
    found = predictions(profile, asked.profile, reach, wanted, conditions, electricity)
    uncounted = (f"not in the counts: {each}" for each in asked.uncounted)
    for note in (*asked.notes, *uncounted, *_rows_of_another(profile, asked.profile)):
        typer.echo(f"note: {note}", err=True)
    if as_json:
        print_json(_plain(profile, asked, found))
    else:
        _show(profile, asked, found if every else _frugal(found))


def _rows_of_another(device: DeviceProfile, asked: ModelProfile) -> list[str]:
    """Why rows of the network's name are left out, where they are."""
    other = namesake_of(device, asked)
    if other is None or not any(each.network == asked.name for each in device.measured):
        return []
    told = [f"{each.macs:,} MACs, {each.parameters:,} parameters" for each in (other, asked)]
    return [f"the rows of '{asked.name}' in {device.name} are of another network ({told[0]}; here {told[1]}): left out"]


def has_steps(device: DeviceProfile) -> bool:
    """Whether its clock can be set."""
    return any(len(each.frequencies_hz) > 1 for each in device.processors.values())


def _plain(device: DeviceProfile, asked: AskedNetwork, found: Sequence[Prediction]) -> dict[str, Any]:
    """The fixed keys of ``autoscale forecast --json``."""
    return {
        "network": asked.profile.name,
        "device": device.name,
        "macs": asked.profile.macs,
        "uncounted": list(asked.uncounted),
        "targets": {str(each.target): _target(each) for each in found},
    }


def _target(each: Prediction) -> dict[str, Any]:
    return {
        **{name: asdict(getattr(each, name)) for name in (*FIGURES, "network_j", "remote_j")},
        **_opening(each),
        "accuracy": each.accuracy,
        "methods": {name: str(method) for name, method in each.methods.items()},
    }


def _opening(each: Prediction) -> dict[str, Any]:
    if each.opening is None:
        return {"open_s": None, "open_j": None}
    figures = {"open_s": each.opening.latency_s, "open_j": each.opening.energy_j}
    return {name: {**asdict(figure), "method": str(each.opening.method)} for name, figure in figures.items()}


def _frugal(found: Sequence[Prediction]) -> list[Prediction]:
    """Of each processor and precision the setting of the least energy."""
    best: dict[Target, Prediction] = {}
    for each in found:
        kind = replace(each.target, frequency_hz=None, threads=None)
        if kind not in best or each.energy_j.mid < best[kind].energy_j.mid:
            best[kind] = each
    return list(best.values())


def _show(device: DeviceProfile, asked: AskedNetwork, found: Sequence[Prediction]) -> None:
    title = f"{asked.profile.name} on {device.title}: one query; the least of each column in bold"
    table = Table(title=escape(title))
    table.add_column("target", no_wrap=True)
    for column in ("latency", "energy", "CO2e", "accuracy", "known"):
        table.add_column(column, no_wrap=column in ("accuracy", "known"))
    best = {name: min(getattr(each, name).mid for each in found) for name in FIGURES}
    for each in found:
        cells = [_cell(getattr(each, name), unit, best[name]) for name, unit in FIGURES.items()]
        accuracy = "" if each.accuracy is None else f"{each.accuracy:.1%}"
        table.add_row(str(each.target), *cells, accuracy, _known(each))
    console = Console(highlight=False)
    console.print(table)
    console.print("energy: of the device; CO2e: of all machines, and of the network between by its average share")
    for method in dict.fromkeys(method for each in found for method in _methods(each)):
        console.print(f"{method}: {MEANING[method]}", markup=False)


def _cell(figure: Interval, unit: str, best: float) -> str:
    shown = readable_range(figure.low, figure.mid, figure.high, unit)
    return f"[bold]{shown}[/bold]" if figure.mid == best else shown


def _methods(each: Prediction) -> list[Method]:
    """How latency and energy are known, once where it is the same."""
    return list(dict.fromkeys(each.methods[name] for name in ("latency_s", "energy_j")))


def _known(each: Prediction) -> str:
    return ",\n".join(_methods(each))
