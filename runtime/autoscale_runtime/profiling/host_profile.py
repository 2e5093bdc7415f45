"""What can be read of this host, and for the rest a device like it: the profile that measuring begins with."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

import numpy as np
import psutil

from autoscale.profiles import DeviceProfile, Figure, load_device
from autoscale.profiles.default_processor import completed
from autoscale.profiles.device_text import device_text
from autoscale.profiles.figure import Value
from autoscale.profiles.folder import read_device
from autoscale.profiles.toml_table import TomlTable
from autoscale.query.outcome import Method
from autoscale.query.target import PRECISIONS
from autoscale_runtime.host.cores import usable_cores
from autoscale_runtime.host.fingerprint import fingerprint, processor_name

USUAL: Final = "laptop"
"""The device whose figures stand in where none is named."""

FACTORS: Final = (0.5, 2.0)
"""How far a figure of another device may be off, where that has no range of its own."""

_SYSTEM: Final = "the operating system, on this machine"


def host_profile(name: str, like: str | None, processors: Sequence[str]) -> DeviceProfile:
    """The profile to begin with.

    Args:
        name: of the profile.
        like: the device whose watts, radios and making stand in for what is not measured; where None, a usual one's,
            as defaults.
        processors: kinds that this host has.

    Raises:
        UnknownName, ProfileError: no such device, or a file that does not follow the schema.
    """
    base = load_device(like or USUAL)
    wanted = dict.fromkeys(["cpu", *(base.processors if like else ()), *processors])
    for kind in wanted:
        base = _with_figures(completed(base, kind), kind)
    figures = base.figures if like else {key: _assumed(each) for key, each in base.figures.items()}
    own = {kind: base.processors[kind] for kind in wanted}
    own["cpu"] = replace(own["cpu"], name=processor_name(), precisions=PRECISIONS)
    return written(
        replace(
            base,
            name=name,
            title=f"{processor_name()}, as measured here",
            processors=own,
            figures={key: each for key, each in {**figures, **_read(figures)}.items() if _is_of(key, wanted)},
            measured=(),
            networks={},
            fingerprint=fingerprint(),
            incomplete="",
        )
    )


def written(device: DeviceProfile) -> DeviceProfile:
    """A profile whose figures were changed, as it is read again from its file."""
    return read_device(TomlTable(f"{device.name}.toml", tomllib.loads(device_text(device))))


def _read(figures: Mapping[str, Figure]) -> dict[str, Figure]:
    """Cores and memory as the system tells them; the clocks that nothing here sets as one, the highest."""
    memory_gb = round(psutil.virtual_memory().total / 1e9, 3)
    told = [Figure("cpu.cores", float(usable_cores()), "cores", _SYSTEM)]
    told.append(Figure("memory.dram_gb", memory_gb, "GB", _SYSTEM))
    keys = [f"{kind}.{key}" for kind in ("cpu", "gpu") for key in ("frequencies_mhz", "shared_w", "core_w", "busy_w")]
    return {each.key: each for each in (*told, *(_last(figures[key]) for key in keys if key in figures))}


def _is_of(key: str, processors: Mapping[str, object]) -> bool:
    kind = key.partition(".")[0]
    return kind not in ("gpu", "npu") or kind in processors


def _assumed(figure: Figure) -> Figure:
    """A figure of another device, as a default of this one; what counts and what orders keeps its method."""
    if figure.key.endswith(("frequencies_mhz", "rssi_dbm", ".cores")):
        return figure
    low = _times(figure.value, FACTORS[0]) if figure.low is None else figure.low
    high = _times(figure.value, FACTORS[1]) if figure.high is None else figure.high
    most = 1.0 if figure.unit == "fraction" else np.inf
    return replace(figure, method=Method.DEFAULT, low=low, high=_at_most(high, most))


def _times(value: Value, factor: float) -> Value:
    return tuple(each * factor for each in value) if isinstance(value, tuple) else value * factor


def _at_most(value: Value, most: float) -> Value:
    return tuple(min(each, most) for each in value) if isinstance(value, tuple) else min(value, most)


def _last(figure: Figure) -> Figure:
    low, high = (None if each is None else _tuple(each)[-1:] for each in (figure.low, figure.high))
    return replace(figure, value=_tuple(figure.value)[-1:], low=low, high=high)


def _tuple(value: Value) -> tuple[float, ...]:
    return value if isinstance(value, tuple) else (value,)


def _with_figures(device: DeviceProfile, kind: str) -> DeviceProfile:
    """A processor at default watts, with figures that a file can hold."""
    if f"{kind}.idle_w" in device.figures:
        return device
    busy_w = device.processors[kind].busy_w()
    source = f"a usual {kind}, by the share of the CPU's watts that such a processor draws"
    watts = {f"{kind}.idle_w": 0.0, f"{kind}.busy_w": busy_w if kind == "npu" else (busy_w,)}
    made = {key: _assumed(Figure(key, value, "W", source)) for key, value in watts.items()}
    if kind == "gpu":
        made["gpu.frequencies_mhz"] = Figure("gpu.frequencies_mhz", (1000.0,), "MHz", "a placeholder: none is known")
    return replace(device, figures={**device.figures, **made})
