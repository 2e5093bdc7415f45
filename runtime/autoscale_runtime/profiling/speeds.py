"""The speeds of this device's processors, fitted to what was measured: they tell what was not."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from autoscale.arrays import Floats
from autoscale.physics.fitting import Prior, Problem, Sample, fit, left_out_errors, speed_of
from autoscale.profiles import DeviceProfile, Figure, Processor, Speed
from autoscale.profiles.measured import MeasuredRow
from autoscale.query.model_profile import ModelProfile
from autoscale.query.outcome import Method
from autoscale.query.target import PRECISIONS
from autoscale_runtime.profiling.runs import DISTURBED

FEWEST: Final = 3
"""Networks; of fewer the speeds say more of them than of the processor."""

SPREAD: Final = (0.1, 0.9)
"""Of networks left out of the fit, eight in ten lie between these quantiles."""

THREADS: Final = ("serial", "serial_traffic", "wake_s")
"""What says how threads share a network."""

GAINING: Final = ("depthwise_conv", "fully_connected", "other")
"""The kinds that may gain more or less by a precision than convolutions do."""

HELD: Final = 0.03
"""How far, as a logarithm, what one thread told may be moved by the rest."""

UNKNOWN: Final = (0.6, 1.6)
"""How far a rate may be off where too few networks tell."""


def fitted(device: DeviceProfile, rows: Sequence[MeasuredRow], networks: Mapping[str, ModelProfile]) -> DeviceProfile:
    """The device with speeds that explain the rows, of every processor on which enough counted networks were measured.

    Args:
        device: its processors as they are; a speed that nothing was measured of stays.
        rows: what was measured, of the engines that ship and of others.
        networks: the counts of what was measured.
    """
    for kind in device.processors:
        own = _samples(kind, rows, networks)
        if len({each.network for each in own}) >= FEWEST:
            device = _with_speed(device, kind, own, networks)
    return device


def _samples(kind: str, rows: Sequence[MeasuredRow], networks: Mapping[str, ModelProfile]) -> list[Sample]:
    """The shipped engines' rows of networks whose layers are known, but those that were never undisturbed."""
    return [
        Sample(row.network, row.target, row.latency_s.mid)
        for row in rows
        if row.target.processor == kind
        and not row.target.engine
        and DISTURBED not in row.source
        and row.network in networks
        and networks[row.network].is_counted
    ]


def _with_speed(
    device: DeviceProfile, kind: str, samples: Sequence[Sample], networks: Mapping[str, ModelProfile]
) -> DeviceProfile:
    processor = device.processors[kind]
    precisions = [each for each in PRECISIONS if any(sample.target.precision == each for sample in samples)]
    problem = _problem(Problem(processor, samples, networks, precisions, _prior(device, processor, samples, networks)))
    off, speed = left_out_errors(problem), speed_of(fit(problem), precisions)
    figures = {each.key: each for each in _figures(kind, speed, samples, off)}
    kept = {} if processor.speed is None else _scaled(device, kind, speed, precisions[0])
    known = {key: each for key, each in device.figures.items() if not key.startswith(f"{kind}.speed")}
    rates = {**_rates_of(kept, kind), **speed.mac_per_s}
    return replace(
        device,
        processors={**device.processors, kind: replace(processor, speed=replace(speed, mac_per_s=rates))},
        figures={**known, **kept, **figures},
    )


def _problem(problem: Problem) -> Problem:
    """First what one thread does, held then; what more threads gain and cost is told by the rest.

    How an engine shares a layer among threads differs more from layer to layer than what the layer takes: together, the
    errors of the one would bend the other.
    """
    single = [each for each in problem.samples if each.target.threads == 1]
    if len({each.network for each in single}) < FEWEST or len(single) == len(problem.samples):
        return problem
    alone = fit(replace(problem, samples=single))
    held = {name: (value, HELD) for name, value in alone.items() if name not in THREADS}
    return replace(problem, prior={**problem.prior, **held})


def _prior(
    device: DeviceProfile, processor: Processor, samples: Sequence[Sample], networks: Mapping[str, ModelProfile]
) -> Prior:
    """What is usual of a processor, in factors that hold for most of them; the data moves it where it speaks."""
    precisions = list(dict.fromkeys(each.target.precision for each in samples))
    rates = [networks[each.network].macs / each.latency_s for each in samples if networks[each.network].macs]
    is_cpu = processor.kind == "cpu"
    prior = {
        "rate": (float(np.median(rates)) if rates else 1e10, 1.5),
        "launch_s": (2e-5 if is_cpu else 1.5e-3, 1.5),
        "layer_s": (3e-6 if is_cpu else 2e-5, 1.5),
        "bandwidth": (0.3 * device.memory.bandwidth_bytes_per_s, 1.0),
        "spatial_ratio": (1.0, 0.7),
        "depthwise_conv": (0.2, 1.0),
        "fully_connected": (1.0, 1.0),
        "recurrent": (0.5, 1.0),
        "other": (0.3, 1.0),
    }
    if is_cpu and processor.cores > 1:
        prior |= {"serial": (0.1, 0.8), "serial_traffic": (0.5, 0.8), "wake_s": (1e-5, 1.5)}
    for precision in precisions[1:]:  # int8 dot products make matrix products faster than they make convolutions
        prior |= {precision: (1.5, 0.7)} | {f"{precision}.{kind}": (1.0, 0.7) for kind in GAINING}
    return prior


def _figures(kind: str, speed: Speed, samples: Sequence[Sample], off: Floats) -> Iterator[Figure]:
    count = len({each.network for each in samples})
    source = f"autoscale calibrate: fitted to {count} networks measured on this machine; networks left out are off by "
    source += f"{np.median(np.abs(off)):.0%} in the median"
    low, high = (float(each) for each in np.quantile(1.0 + off, SPREAD)) if count >= 2 * FEWEST else UNKNOWN
    ends = min(low, 1.0), max(high, 1.0)
    at = f"{kind}.speed"
    constants = [
        (f"{at}.launch_s", speed.launch_s, "s"),
        (f"{at}.layer_s", speed.layer_s, "s"),
        (f"{at}.bandwidth_gb_per_s", speed.bandwidth_bytes_per_s / 1e9, "GB/s"),
        (f"{at}.spatial_ratio", speed.spatial_ratio, "ratio"),
    ]
    if kind == "cpu":
        constants += [
            (f"{at}.parallel_fraction", speed.parallel_fraction, "fraction"),
            (f"{at}.wake_s", speed.wake_s, "s"),
            (f"{at}.traffic_parallel_fraction", speed.traffic_parallel_fraction, "fraction"),
        ]
    rates = [
        (f"{at}.{precision}.{layers}_mac_per_s", rate, "MAC/s")
        for precision, kinds in speed.mac_per_s.items()
        for layers, rate in kinds.items()
    ]
    for key, value, unit in (*constants, *rates):
        most = 1.0 if unit == "fraction" else np.inf
        yield Figure(key, value, unit, source, Method.MODELLED, value * ends[0], min(value * ends[1], most))


def _scaled(device: DeviceProfile, kind: str, speed: Speed, precision: str) -> dict[str, Figure]:
    """The rates of precisions that were not measured, in proportion to one that was."""
    old = device.processors[kind].speed
    if old is None or precision not in old.mac_per_s:
        return {}
    factor = speed.mac_per_s[precision]["conv"] / old.mac_per_s[precision]["conv"]
    return {
        key: _default(figure, factor)
        for key, figure in device.figures.items()
        if key.startswith(f"{kind}.speed.") and key.endswith("_mac_per_s") and key.split(".")[2] not in speed.mac_per_s
    }


def _default(figure: Figure, factor: float) -> Figure:
    value = float(np.max(figure.value)) * factor
    source = f"{figure.source}; in proportion to the precision that was measured here"
    return replace(figure, value=value, source=source, method=Method.DEFAULT, low=0.5 * value, high=2.0 * value)


def _rates_of(figures: Mapping[str, Figure], kind: str) -> dict[str, dict[str, float]]:
    rates: dict[str, dict[str, float]] = {}
    for key, figure in figures.items():
        _, _, precision, name = key.split(".")
        rates.setdefault(precision, {})[name.removesuffix("_mac_per_s")] = float(np.max(figure.value))
    return rates
