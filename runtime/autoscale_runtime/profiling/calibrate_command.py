"""``autoscale calibrate``: measures this device, and writes its profile."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from types import FrameType
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from autoscale.command import JsonOption, print_json
from autoscale.errors import InvalidInput
from autoscale.interval import Interval
from autoscale.profiles.measured import MeasuredRow
from autoscale.query.outcome import Method
from autoscale.units import readable_range
from autoscale_runtime.models.inspection.inputs import parse_shapes
from autoscale_runtime.models.inspection.shape_option import ShapesOption
from autoscale_runtime.profiling.calibrate import Calibration, Found, Plan, Tell
from autoscale_runtime.profiling.guard import Guard, Limits
from autoscale_runtime.profiling.host_profile import host_profile
from autoscale_runtime.profiling.joules import Joules, counter_here
from autoscale_runtime.profiling.link_files import MeasuredLink, check_links, parse_addresses
from autoscale_runtime.profiling.link_times import LinkTimes
from autoscale_runtime.profiling.probes import PREFIX
from autoscale_runtime.profiling.profile_file import check_place
from autoscale_runtime.profiling.subjects import parse_models

NICE: Final = 10
"""How far its priority stands back behind others'."""

PATIENCE: Final = 3.0
"""This share of the time, and no more, it waits for others."""

STOPPED: Final = 75
"""The exit status where heat, the battery or a person ended it before its time: go on with it later."""

SHORTEST_S: Final = 1.0


def calibrate(
    models: Annotated[list[str], typer.Argument(help="Model files or bundles of yours, as a session takes them.")],
    out: Annotated[Path, typer.Option(help="The profile, a file that ends in .toml.")] = Path("this-device.toml"),
    shape: ShapesOption = None,
    seconds: Annotated[float, typer.Option(help="About how long to measure; longer where the models need it.")] = 60.0,
    like: Annotated[
        str | None,
        typer.Option(
            help="The device most like this one, a name or a .toml: its watts and making stand in for what cannot be "
            "measured. Where left out, a usual machine's do, as defaults.",
            show_default=False,
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with --out: its rows are kept, what is missing is measured.")
    ] = False,
    replace: Annotated[bool, typer.Option("--replace", help="Begin anew where --out exists.")] = False,
    probes: Annotated[
        bool, typer.Option(help="Also time small networks of its own, to foretell what was never run here.")
    ] = True,
    remotes: Annotated[
        str,
        typer.Option(
            help="Also measure the links to these servers: cloud=host:port,edge:tablet=host:port. Each takes seconds "
            "and up to 36 MB; its file is written beside --out, as NAME-cloud.toml.",
            show_default=False,
        ),
    ] = "",
    max_temperature_c: Annotated[float, typer.Option(help="Stop at this temperature of the processor.")] = 80.0,
    min_battery: Annotated[float, typer.Option(help="Stop below this charge, a fraction, on battery.")] = 0.2,
    as_json: JsonOption = False,
) -> None:
    """Measure this device: your models on every processor, precision and setting; joules too where a meter counts them.

    It takes about a minute, at low priority, gives way to whoever wants the cores, and stops on heat or a low battery.
    Runs that others disturbed are told from those they did not. Each answer is verified, as a session does.

    The profile it writes is a device's: SessionOptions(power_table=FILE), 'autoscale serve --power-table FILE',
    'autoscale forecast --device FILE' and 'autoscale train --device FILE' take it. It names this machine; elsewhere a
    session says that it is another's. Interrupted, it is kept and marked; --resume goes on.

    Example: autoscale calibrate detector.onnx classifier/ --out laptop7.toml

    Example: autoscale calibrate detector.onnx --remotes cloud=192.168.0.7:8001

    Example: autoscale calibrate bert.onnx --shape ids=1x128 --shape mask=1x128 --resume
    """
    check_place(out, resume, replace)
    links = parse_addresses(remotes)
    check_links(out, links, resume, replace)
    if not seconds >= SHORTEST_S or seconds == float("inf"):
        raise InvalidInput(f"--seconds is {seconds}; allowed: {SHORTEST_S:g} or more")
    plan = Plan(parse_models(models), out, parse_shapes(shape or []), seconds, like, probes, resume, links)
    counter, why = counter_here()
    joules = None if counter is None else Joules(counter, host_profile(out.stem, like, ()).idle_w)
    with _ended() as ended, _progress(as_json) as tell, _standing_back():
        guard = Guard(Limits(max_temperature_c, min_battery, seconds / PATIENCE), ended.is_set)
        found = Calibration(plan, guard, joules, tell).make()
    if as_json:
        print_json(_plain(plan, found, why))
    else:
        _show(plan, found, why)
    if found.stopped:
        raise typer.Exit(STOPPED)


@contextmanager
def _ended() -> Iterator[threading.Event]:
    """Set by the first SIGINT or SIGTERM, which lets a run end and the profile be written; a second one ends it."""
    ended, signals = threading.Event(), (signal.SIGINT, signal.SIGTERM)

    def end(number: int, frame: FrameType | None) -> None:
        ended.set()
        for each in signals:
            signal.signal(each, signal.SIG_DFL)

    if threading.current_thread() is not threading.main_thread():
        yield ended
        return
    before = [signal.signal(each, end) for each in signals]
    try:
        yield ended
    finally:
        for each, handler in zip(signals, before, strict=True):
            signal.signal(each, handler)


@contextmanager
def _standing_back() -> Iterator[None]:
    """Others go first meanwhile; where the system lets nobody but root take that back, it stays so."""
    if not hasattr(os, "setpriority"):
        yield
        return
    before = os.getpriority(os.PRIO_PROCESS, 0)
    os.setpriority(os.PRIO_PROCESS, 0, max(before, NICE))
    try:
        yield
    finally:
        with suppress(PermissionError):
            os.setpriority(os.PRIO_PROCESS, 0, before)


@contextmanager
def _progress(is_quiet: bool) -> Iterator[Tell]:
    """A bar on standard error where that is a terminal."""
    columns = BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}", markup=False)
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=is_quiet or not console.is_terminal, transient=True) as progress:
        task = progress.add_task("", total=None)

        def tell(name: str, done: int, count: int) -> None:
            progress.update(task, description=name, completed=done, total=count)

        yield tell


def _plain(plan: Plan, found: Found, why: str) -> dict[str, Any]:
    """The fixed keys of ``autoscale calibrate --json``."""
    device = found.device
    return {
        "profile": None if device is None else str(plan.out),
        "fingerprint": None if device is None else device.fingerprint,
        "complete": device is not None and not device.incomplete,
        "stopped": found.stopped,
        "kept": found.kept,
        "waited_s": found.waited_s,
        "meter": why,
        "rows": [] if device is None else [_row(each) for each in device.measured],
        "links": {name: _link(each) for name, each in found.links.items()},
        "disturbed": found.disturbed,
        "left_out": found.left_out,
        "notes": found.notes,
    }


def _row(row: MeasuredRow) -> dict[str, Any]:
    plain = {"latency_s": _ends(row.latency_s), "energy_j": _ends(row.energy_j)}
    return {"network": row.network, "target": str(row.target), **plain, "method": str(row.method), "source": row.source}


def _link(link: MeasuredLink) -> dict[str, Any]:
    figures = {name: _ends(getattr(link.times, name)) for name in ("round_trip_s", "uplink_bps", "downlink_bps")}
    return {"profile": str(link.path), **figures, "method": str(Method.MEASURED)}


def _ends(figure: Interval | None) -> dict[str, float] | None:
    return None if figure is None else asdict(figure)


def _show(plan: Plan, found: Found, why: str) -> None:
    console = Console(highlight=False)
    if found.device is not None:
        console.print(_table(found))
        console.print(f"[bold]{escape(str(plan.out))}[/bold]: {escape(found.device.fingerprint)}")
    for note in _notes(plan, found, why):
        console.print(note, markup=False)


def _table(found: Found) -> Table:
    table = Table(
        "network",
        "target",
        "latency",
        "energy",
        "",
        title="undisturbed runs (from the fastest to the 90th percentile)",
    )
    disturbed = set(found.disturbed)
    rows = () if found.device is None else found.device.measured
    for row in (each for each in rows if not each.network.startswith(PREFIX)):
        latency = readable_range(row.latency_s.low, row.latency_s.mid, row.latency_s.high, "s")
        joules = row.energy_j
        energy = "" if joules is None else readable_range(joules.low, joules.mid, joules.high, "J")
        mark = "disturbed" if f"{row.network} {row.target}" in disturbed else ""
        table.add_row(escape(row.network), str(row.target), latency, energy, mark)
    return table


def _notes(plan: Plan, found: Found, why: str) -> Iterator[str]:
    """What a person has to know of it."""
    if found.device is None:
        yield f"nothing was measured: {found.stopped}"
    elif found.stopped:
        yield f"incomplete: {found.device.incomplete}"
    if found.kept:
        yield f"{found.kept} rows of an earlier run are kept"
    if found.disturbed:
        yield f"{len(found.disturbed)} settings were disturbed all the while: their sources say how they are known"
    if found.waited_s >= 1.0:
        yield f"gave way to others for {found.waited_s:.0f} s"
    if found.device is not None and all(row.energy_j is None for row in found.device.measured):
        yield f"no joules were measured: {why or 'the meter told too little'}"
    for name, link in found.links.items():
        yield f"link {name}: {_link_text(link.times)}: {link.path}"
    for what, reason in found.left_out.items():
        yield f"left out: {what}: {reason}"
    yield from found.notes


def _link_text(times: LinkTimes) -> str:
    """A link's round trip and rates, for people."""
    known = {"round trip": (times.round_trip_s, "s"), "up": (times.uplink_bps, "bit/s")}
    known |= {} if times.downlink_bps is None else {"down": (times.downlink_bps, "bit/s")}
    return ", ".join(f"{what} {readable_range(e.low, e.mid, e.high, unit)}" for what, (e, unit) in known.items())
