"""``autoscale devices``: the devices, servers and links that ship, and where their numbers come from."""

from dataclasses import asdict, replace
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from autoscale.command import JsonOption, print_json
from autoscale.interval import Interval
from autoscale.physics.compute import Compute, compute
from autoscale.profiles import (
    DeviceProfile,
    Figure,
    LinkProfile,
    Processor,
    device_names,
    link_names,
    load_device,
    load_link,
)
from autoscale.profiles.measured import MeasuredRow
from autoscale.profiles.networks import known_network
from autoscale.profiles.shipped import is_file, shipped_name

Profile = DeviceProfile | LinkProfile


def devices(
    name: Annotated[
        str | None, typer.Argument(help="A device, server or link that ships, or a device's .toml file.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """List the devices, servers and links that ship, or show every figure of one: value, range, source.

    Of a device with measured rows it shows each beside what the device's model would say without any of them.

    Example: autoscale devices mi8pro
    """
    if name is not None:
        profile = _load(name)
        print_json(_details(profile)) if as_json else _print_figures(profile)
        return
    profiles: list[Profile] = [*map(load_device, device_names()), *map(load_link, link_names())]
    print_json([_summary(each) for each in profiles]) if as_json else _print_list(profiles)


def _load(name: str) -> Profile:
    if is_file(name):
        return load_device(name)
    known = shipped_name("device or link", name, [*device_names(), *link_names()])
    return load_link(known) if known in link_names() else load_device(known)


def _summary(profile: Profile) -> dict[str, Any]:
    top = {"name": profile.name, "title": profile.title}
    if isinstance(profile, LinkProfile):
        return {**top, "kind": "link", "radio": profile.radio_name, "round_trip_s": profile.round_trip_s}
    processors = {kind: _processor(each) for kind, each in profile.processors.items()}
    return {**top, "kind": profile.kind, "idle_w": profile.idle_w, "processors": processors}


def _processor(processor: Processor) -> dict[str, Any]:
    return {
        "name": processor.name,
        "precisions": processor.precisions,
        "cores": processor.cores,
        "frequencies_hz": processor.frequencies_hz,
        "peak_w": processor.busy_w(processor.cores),
    }


def _details(profile: Profile) -> dict[str, Any]:
    targets = [str(target) for target in profile.targets()] if isinstance(profile, DeviceProfile) else []
    figures = [asdict(figure) for figure in profile.figures.values()]
    if not isinstance(profile, DeviceProfile):
        return {**_summary(profile), "targets": targets, "figures": figures, "measured": []}
    measured = [_measured(profile, row) for row in profile.measured]
    where = {"fingerprint": profile.fingerprint, "incomplete": profile.incomplete}
    return {**_summary(profile), **where, "targets": targets, "figures": figures, "measured": measured}


def _measured(device: DeviceProfile, row: MeasuredRow) -> dict[str, Any]:
    """A row, and the model alone beside it; joules are of the whole device."""
    alone = _alone(device, row)
    return {
        "network": row.network,
        "target": str(row.target),
        "latency_s": asdict(row.latency_s),
        "energy_j": None if row.joules is None else asdict(row.joules),
        "power_w": row.mean_w,
        "accuracy": row.accuracy,
        "method": row.method,
        "source": row.source,
        "model_latency_s": None if alone is None else asdict(Interval(alone.low_s, alone.latency_s, alone.high_s)),
        "model_energy_j": None if alone is None else _whole_j(device, alone),
    }


def _alone(device: DeviceProfile, row: MeasuredRow) -> Compute | None:
    """What the device's model says without its rows; None of a network or a speed of which nothing is known."""
    model, speed = known_network(row.network, device.networks), device.processors[row.target.processor].speed
    if model is None or speed is None or row.target.precision not in speed.mac_per_s:
        return None
    return compute(replace(device, measured=()), model, row.target)


def _whole_j(device: DeviceProfile, cost: Compute) -> float:
    return cost.energy_j + device.idle_w * cost.latency_s


def _print_list(profiles: list[Profile]) -> None:
    table = Table("name", "what", "kind", "processors or radio", title="autoscale devices NAME shows each figure")
    for profile in profiles:
        if isinstance(profile, LinkProfile):
            table.add_row(profile.name, profile.title, "link", profile.radio_name)
        else:
            parts = [_sentence(kind, each) for kind, each in profile.processors.items()]
            table.add_row(profile.name, profile.title, profile.kind, "\n".join(parts))
    Console().print(table)


def _sentence(kind: str, processor: Processor) -> str:
    steps = f", {len(processor.frequencies_hz)} steps" if processor.frequencies_hz else ""
    return f"{kind} {processor.name}{steps}, {processor.busy_w(processor.cores):.3g} W"


def _print_figures(profile: Profile) -> None:
    sources = list(dict.fromkeys(figure.source for figure in profile.figures.values()))
    table = Table("figure", "value", "unit", "method", "range", "source", title=profile.title)
    for figure in profile.figures.values():
        table.add_row(
            figure.key,
            _value(figure.value),
            figure.unit,
            figure.method,
            _range(figure),
            str(sources.index(figure.source) + 1),
        )
    console = Console()
    console.print(table)
    if isinstance(profile, DeviceProfile) and profile.measured:
        console.print(_rows(profile))
    for number, source in enumerate(sources, start=1):
        console.print(f"{number}. {source}", markup=False, highlight=False)


def _rows(device: DeviceProfile) -> Table:
    columns = ("network", "target", "ms", "ms by the model alone", "mJ", "mJ by the model alone", "accuracy")
    table = Table(*columns, title=f"measured on {device.fingerprint or 'such a device'}")
    for row in device.measured:
        alone, joules = _alone(device, row), row.joules
        cells = [f"{1e3 * row.latency_s.mid:.4g} ({1e3 * row.latency_s.low:.3g} to {1e3 * row.latency_s.high:.3g})"]
        cells += ["" if alone is None else f"{1e3 * alone.latency_s:.3g}"]
        cells += ["" if joules is None else f"{1e3 * joules.mid:.4g}"]
        cells += ["" if alone is None else f"{1e3 * _whole_j(device, alone):.3g}"]
        table.add_row(row.network, str(row.target), *cells, "" if row.accuracy is None else f"{row.accuracy:.3f}")
    return table


def _value(value: float | tuple[float, ...]) -> str:
    if not isinstance(value, tuple):
        return f"{value:.6g}"
    return " ".join(f"{each:.6g}" for each in value)


def _range(figure: Figure) -> str:
    if figure.low is None or figure.high is None:
        return ""
    if isinstance(figure.low, tuple) and isinstance(figure.high, tuple):
        return f"{figure.low[0]:.4g} to {figure.high[0]:.4g} … {figure.low[-1]:.4g} to {figure.high[-1]:.4g}"
    return f"{_value(figure.low)} to {_value(figure.high)}"
