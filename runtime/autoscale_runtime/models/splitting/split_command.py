"""``autoscale split``: where a network is best cut in two, whether that pays, and the two parts."""

import math
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from autoscale.carbon import Electricity
from autoscale.carbon.intensity.places import WORLD
from autoscale.command import JsonOption, print_json
from autoscale.errors import InvalidInput
from autoscale.prediction import Conditions, Prediction
from autoscale.profiles import load_device
from autoscale.profiles.remote_options import LinksOption, RemotesOption, parse_reach
from autoscale.profiles.remotes import make_remotes
from autoscale.query.goal import Goal
from autoscale.query.goal_options import ObjectiveOption
from autoscale.splitting import SplitAdvice, SplitForecast, advise
from autoscale.units import readable, s_from_ms
from autoscale_runtime.models.bare_model import precision_of
from autoscale_runtime.models.forecast_command import FIGURES, CpuLoadOption, PlaceOption, SignalOption, has_steps
from autoscale_runtime.models.inspection.entry import inspect
from autoscale_runtime.models.inspection.inputs import parse_shapes
from autoscale_runtime.models.inspection.inspect_command import ask_for_shape
from autoscale_runtime.models.inspection.network_file import check_network_file, write_network
from autoscale_runtime.models.inspection.shape_option import ShapesOption

if TYPE_CHECKING:
    from autoscale_runtime.models.splitting.cuts import CutModel


def split(
    model: Annotated[Path, typer.Argument(help="An .onnx file.")],
    device: Annotated[str, typer.Option(help="A device: a name of 'autoscale devices', or a .toml.")],
    remotes: RemotesOption = "",
    links: LinksOption = "",
    shape: ShapesOption = None,
    objective: ObjectiveOption = "energy",
    limit_ms: Annotated[
        float | None, typer.Option(help="The latest an answer is of use.", show_default="no limit")
    ] = None,
    at: Annotated[
        int | None, typer.Option(help="Cut after so many of the file's nodes.", show_default="where it is best")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Also write both parts there: FOLDER/head and FOLDER/tail.", metavar="FOLDER"),
    ] = None,
    table: Annotated[
        Path | None,
        typer.Option(
            help="Also write, or append, what every target would cost, the cuts among them: a table that 'autoscale "
            "evaluate --measured' plays.",
            metavar="FILE.csv",
        ),
    ] = None,
    network: Annotated[
        Path | None,
        typer.Option(
            help="Also write FILE.toml, a network that the simulator takes under --networks, and cuts under --splits.",
            metavar="FILE",
        ),
    ] = None,
    place: PlaceOption = WORLD,
    rssi_dbm: SignalOption = None,
    cpu_load: CpuLoadOption = 0.0,
    as_json: JsonOption = False,
) -> None:
    """Where a network is best cut in two, and what that would cost.

    Its first layers run on one of the device's processors, the rest on another of them or on another machine. Beside it
    stands the whole network on the targets of the file's precision, as 'autoscale forecast' tells them. A cut pays
    where it is better than all of these: in time, then for the least of what is to be spent. Every figure is predicted;
    nothing runs.

    Example: autoscale split alexnet.onnx --device mi8pro --remotes cloud=gpu-server --links cloud=wifi

    With --out both parts are written. Where the tail runs on another machine: 'autoscale serve FOLDER/tail' there, and
    here a session with RemoteModel(address, splits=[FOLDER]).

    Example: autoscale split alexnet.onnx --device mi8pro --remotes cloud=gpu-server --at 20 --out alexnet-split
    """
    # Not before they are needed: they need the package onnx, and --help does not.
    from autoscale_runtime.models.splitting.cuts import find_cuts
    from autoscale_runtime.models.splitting.play_table import write_table

    check_network_file(network)
    profile, reach = load_device(device), make_remotes(*parse_reach(remotes, links))
    goal = Goal(objective, math.inf if limit_ms is None else s_from_ms(limit_ms))
    shapes, ask = parse_shapes(shape or []), ask_for_shape if sys.stdin.isatty() else None
    found = find_cuts(model, shapes, ask)
    precision, settings = precision_of(model), "dvfs" if has_steps(profile) else "threads"
    met, electricity = Conditions(cpu_load, 0.0, rssi_dbm), Electricity(place)
    if at is not None:
        found.at(at)
    advice = advise(found.whole, precision, profile, reach, goal, settings, met, electricity, at)
    for note in (*found.notes, *(f"not in the counts: {each}" for each in found.uncounted)):
        typer.echo(f"note: {note}", err=True)
    if as_json:
        print_json(_plain(found, precision, advice))
    else:
        _show(profile.title, found, precision, advice)
    if network is not None:
        write_network(network, model, inspect(model, shapes, ask), found.whole.cuts)
    if table is not None:
        write_table(table, profile.name, found.whole.name, advice)
    if out is not None:
        _write(found, precision, advice, out, at)


def _write(found: "CutModel", precision: str, advice: SplitAdvice, folder: Path, at: int | None) -> None:
    from autoscale_runtime.models.splitting.parts import write_split

    if not found.cuts:
        raise InvalidInput(
            f"'{found.path}' has no cut; allowed: a network with two layers that tensors can cross between"
        )
    if at is None and advice.best_split is None:
        raise InvalidInput(f"'{found.path}' has no cut whose tail anything else could take; allowed: --at")
    cut = found.at(advice.best_split.cut.after if at is None else at)  # type: ignore[union-attr]  # as above
    write_split(found, cut, precision, folder)
    typer.echo(f"wrote {folder / 'head'} and {folder / 'tail'}, cut after node {cut.after}, {cut.node}", err=True)


def _plain(found: "CutModel", precision: str, advice: SplitAdvice) -> dict[str, Any]:
    """The fixed keys of ``autoscale split --json``."""
    best = advice.best_split
    return {
        "network": found.whole.name,
        "precision": precision,
        "input_bytes": found.whole.input_bytes,
        "cuts": [{"after": e.after, "node": e.node, "crossing_bytes": e.crossing_bytes} for e in found.cuts],
        "targets": {str(each.target): _figures(each) for each in advice.targets},
        "splits": [_split(found, each) for each in advice.splits],
        "best_target": None if advice.best_whole is None else str(advice.best_whole.target),
        "best_split": None if best is None else _split(found, best),
        "pays": advice.pays,
        "uncounted": list(found.uncounted),
    }


def _split(found: "CutModel", each: SplitForecast) -> dict[str, Any]:
    cut = found.at(each.cut.after)
    return {
        "after": cut.after,
        "node": cut.node,
        "crossing": [info.to_json() for info in cut.crossing],
        "crossing_bytes": cut.crossing_bytes,
        "target": str(each.whole.target),
        "head": str(each.head),
        "tail": str(each.tail),
        **_figures(each.whole),
    }


def _figures(each: Prediction) -> dict[str, Any]:
    methods = {name: str(method) for name, method in each.methods.items()}
    return {**{name: asdict(getattr(each, name)) for name in FIGURES}, "methods": methods}


def _show(device: str, found: "CutModel", precision: str, advice: SplitAdvice) -> None:
    title = f"{found.whole.name} in {precision} on {device}: one query"
    table = Table(title=escape(title))
    for column in ("head", "tail", "after node", "crosses", "latency", "energy", "CO2e"):
        table.add_column(column, overflow="fold")  # no target is cut short: who reads it gives it to a command
    for each in _least(advice):
        sent = f"{found.whole.input_bytes:,} B" if each.target.is_remote else ""
        here, there = ("", str(each.target)) if each.target.is_remote else (str(each.target), "")
        table.add_row(here, there, "", sent, *_cells(each))
    for split in advice.splits:
        after, sent = str(split.cut.after), f"{split.cut.crossing_bytes:,} B"
        table.add_row(str(split.head), str(split.tail), after, sent, *_cells(split.whole))
    console = Console(highlight=False)
    console.print(table)
    console.print(_verdict(found, advice), markup=False)


def _least(advice: SplitAdvice) -> list[Prediction]:
    """Of the whole network the best target, and the most frugal one of either side of the link."""
    sides = [[e for e in advice.targets if e.target.is_remote is far] for far in (False, True)]
    frugal = [min(side, key=lambda each: each.energy_j.mid) for side in sides if side]
    best = [] if advice.best_whole is None else [advice.best_whole]
    return list({each.target: each for each in (*frugal, *best)}.values())


def _verdict(found: "CutModel", advice: SplitAdvice) -> str:
    if advice.best_split is None:
        return "nothing to weigh: the network has no cut, or nothing else in reach computes in its precision"
    cut, best = found.at(advice.best_split.cut.after), advice.best_whole
    if advice.pays:
        return f"pays: cut after node {cut.after}, {cut.node}: {advice.best_split.whole.target}"
    return f"does not pay: best in one piece, {'nowhere' if best is None else best.target}"


def _cells(each: Prediction) -> list[str]:
    return [readable(getattr(each, name).mid, unit) for name, unit in FIGURES.items()]
