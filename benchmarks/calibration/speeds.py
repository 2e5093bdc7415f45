"""A fitted speed as the tables of a device file."""

from collections.abc import Iterator, Mapping
from typing import Final

import numpy as np

from autoscale.arrays import Floats
from autoscale.physics.fitting import Problem
from autoscale.profiles import Speed
from benchmarks.calibration.studies import Derived, Study

OTHER_CHIP: Final = (0.6, 1.5)
"""How far a figure may be off that was measured on another chip of the kind."""

ENOUGH: Final = 8
"""Fewer latencies than this say nothing of how far they scatter; the range is then that of another chip."""


def speed_tables(study: Study, problem: Problem, speed: Speed, off: Floats) -> str:
    """``[cpu.speed]`` and its precisions, with their sources; ``off`` are errors as ``left_out_errors`` gives them."""
    key = f"speed_{study.processor}"
    method = "modelled" if study.is_same_chip else "default"
    lines = [f'{key} = """{_source(study, problem, off)}"""']
    lines += [f'{key}_{each.precision} = "{_reason(each)}"' for each in study.derived]
    lines += ["", f"[{study.processor}.speed]"]
    lines += [_figure(name, value, key, method, *OTHER_CHIP) for name, value in _constants(study, speed)]
    for precision, rates in speed.mac_per_s.items():
        low, high = _range(problem, off, precision) if study.is_same_chip else OTHER_CHIP
        lines += ["", f"[{study.processor}.speed.{precision}]"]
        lines += [_figure(f"{kind}_mac_per_s", rate, key, method, low, high) for kind, rate in _known(study, rates)]
    for each in study.derived:
        lines += ["", f"[{study.processor}.speed.{each.precision}]"]
        source, low, high = f"{key}_{each.precision}", each.low / each.ratio, each.high / each.ratio
        lines += [
            _figure(f"{kind}_mac_per_s", rate * each.ratio, source, "default", low, high)
            for kind, rate in _known(study, speed.mac_per_s[each.of])
        ]
    return "\n".join(lines)


def _constants(study: Study, speed: Speed) -> Iterator[tuple[str, float]]:
    yield "launch_s", speed.launch_s
    yield "layer_s", speed.layer_s
    yield "bandwidth_gb_per_s", speed.bandwidth_bytes_per_s / 1e9
    yield "spatial_ratio", speed.spatial_ratio
    if study.processor == "cpu":
        yield "parallel_fraction", speed.parallel_fraction


def _known(study: Study, rates: Mapping[str, float]) -> list[tuple[str, float]]:
    """The kinds that the processor does; the delegates of these years left products of activations to the CPU."""
    return [
        (kind, rate)
        for kind, rate in rates.items()
        if kind != "other" or study.processor == "cpu" or study.has_products
    ]


def _figure(name: str, value: float, source: str, method: str, low: float, high: float) -> str:
    most = 1.0 if name.endswith("fraction") else np.inf
    ends = f", low = {value * min(low, 1.0):.3g}, high = {min(value * max(high, 1.0), most):.3g}"
    return f'{name} = {{ value = {value:.3g}, source = "{source}", method = "{method}"{ends} }}'


def _range(problem: Problem, off: Floats, precision: str) -> tuple[float, float]:
    """Where 80 % of the networks left out of the fit lie, as factors of the rate."""
    ratios = [
        1.0 + error for error, sample in zip(off, problem.samples, strict=True) if sample.target.precision == precision
    ]
    if len(ratios) < ENOUGH:
        return OTHER_CHIP
    return float(np.quantile(ratios, 0.1)), float(np.quantile(ratios, 0.9))


def _source(study: Study, problem: Problem, off: Floats) -> str:
    count = len({sample.network for sample in problem.samples})
    lean = f", leaning on {study.near}" if study.near else ""
    scatter = f"; networks left out are off by {np.median(np.abs(off)):.0%} in the median" if count > 1 else ""
    return f"make fit: {count} networks on {study.measured}{lean}{scatter}. {study.source}"


def _reason(derived: Derived) -> str:
    return f"{derived.ratio:g} times {derived.of}: {derived.reason}"
