"""Time and energy of computing one inference on one machine."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from autoscale.arrays import Flags, Floats
from autoscale.errors import ProfileError
from autoscale.interval import Interval
from autoscale.physics.measured import (
    UNKNOWN_PARTS,
    Known,
    Run,
    correction,
    exact_rows,
    parts_of,
    rows_joules,
    spanning,
)
from autoscale.physics.power import idle_range_w, power_range, threads_of, working_w
from autoscale.physics.roofline import Seconds, macs_by_kind, pace_of
from autoscale.profiles import DeviceProfile, Speed
from autoscale.profiles.measured import MeasuredRow
from autoscale.query.model_profile import ModelProfile
from autoscale.query.outcome import Method, worst
from autoscale.query.target import Target

LEAST_FACTOR: Final = 1e-3
"""Of a figure whose low end is 0, what its logarithm is taken of."""


@dataclass(frozen=True, slots=True)
class Compute:
    """What one inference costs the machine that computes it, undisturbed.

    Attributes:
        latency_s: from the call to the answer.
        energy_j: above the idle machine, by all its processors; below 0 where a row has less than the idle machine.
        busy_w: of a GPU or NPU, above the idle machine, all the while; 0 where the CPU computes.
        core_w: of each CPU core that computes, above the idle machine; 0 where it does not.
        cores: how many of those work all the while.
        memory_bound: share of the time limited by memory traffic, 0 to 1; what a memory-heavy co-runner stretches.
        cpu_bound: share of the time limited by the machine's CPU, 0 to 1; what a CPU-heavy co-runner stretches.
        method: measured where a row says it, modelled where the speed was calibrated on measurements or is corrected by
            rows, default where neither is so.
        low_s: the latency may be as short as this.
        high_s: and as long as this.
        whole_j: the energy of the whole machine, its idle power included, with its range; of a row the row's own.
        energy_method: how the energy is known.
    """

    latency_s: float
    energy_j: float
    busy_w: float
    core_w: float
    cores: int
    memory_bound: float
    cpu_bound: float
    method: Method
    low_s: float
    high_s: float
    whole_j: Interval
    energy_method: Method


@dataclass(frozen=True, slots=True)
class CostTable:
    """``Compute`` of every network on every target, each array of shape (networks, targets)."""

    latency_s: Floats
    energy_j: Floats
    busy_w: Floats
    core_w: Floats
    cores: Floats
    memory_bound: Floats
    cpu_bound: Floats


def compute(device: DeviceProfile, model: ModelProfile, target: Target, frequency_hz: float | None = None) -> Compute:
    """Predict one inference on one processor; the target's place and host do not matter.

    Where the device's file holds a measured row of that network there, that row is what it costs. Elsewhere it is the
    roofline's time at the processor's watts, each corrected by the rows of the same processor, if there are any, as far
    as these tell of the network and the setting; the range says how far that is.

    A CPU runs on all its cores unless the target says how many; a processor runs at its highest frequency unless the
    target says which. A network with layers that a GPU or NPU has no rate for runs on the CPU, whole: that is what
    NNAPI and the delegates come to where a network would break into many pieces.

    Args:
        device: the machine.
        model: the network.
        target: where it runs.
        frequency_hz: at which clock, where not the target but a governor says.

    Raises:
        InvalidTarget: the device has no such processor, or that does not compute in such a precision.
        ProfileError: the device file says nothing of the processor's speed, and has no row of this network there.
    """
    device.check(target)
    asked = Run(model, target, frequency_hz)
    rows = exact_rows(device, asked) if device.measured else []
    if rows:
        return _as_measured(device, asked, rows)
    there = placed(device, model, target)
    return _as_modelled(device, Run(model, there, frequency_hz if there.processor == target.processor else None))


def is_known(device: DeviceProfile, model: ModelProfile, target: Target) -> bool:
    """Whether the file tells what a network costs there: by a measured row, or by a speed where its work is counted."""
    if device.measured and exact_rows(device, Run(model, target)):
        return True
    speed = device.processors[target.processor].speed
    return model.is_counted and speed is not None and target.precision in speed.mac_per_s


def _as_modelled(device: DeviceProfile, run: Run) -> Compute:
    processor, speed = device.processors[run.target.processor], speed_of(device, run.target)
    pace = pace_of(processor, speed, run.target, run.frequency_hz)
    parts = parts_of(device, speed, run, pace)
    known = correction(device, run) if device.measured else None
    latency = _speed_known(device, run.target) if known is None else Known(Method.MODELLED, known.latency)
    power = (
        Known(*power_range(device, run.target))
        if known is None or known.power is None
        else Known(Method.MODELLED, known.power)
    )
    return _computed(device, run, parts, latency.times(parts.total_s), power)


def _as_measured(device: DeviceProfile, run: Run, rows: Sequence[MeasuredRow]) -> Compute:
    """One row, or those of several engines, each of which it may be."""
    latency = Known(worst(*(row.method for row in rows)), spanning([row.latency_s for row in rows]))
    processor, parts = device.processors[run.target.processor], UNKNOWN_PARTS
    if processor.speed is not None and run.target.precision in processor.speed.mac_per_s:
        pace = pace_of(processor, processor.speed, run.target, run.frequency_hz)
        parts = parts_of(device, processor.speed, run, pace)
    joules = rows_joules(rows)
    if joules is None:
        return _computed(device, run, parts, latency, Known(*power_range(device, run.target)))
    above_w = joules.factor.mid / latency.factor.mid - device.idle_w
    return _cost(device, run, parts, latency, above_w, joules)


def _computed(device: DeviceProfile, run: Run, parts: Seconds, latency: Known, power: Known) -> Compute:
    """What a latency and a factor on the device's own watts come to; ``parts`` say what holds the processor up."""
    above_w = power.factor.mid * working_w(device, run.target, run.frequency_hz)
    least, most = _energy_ends(latency.factor, power.factor)
    worked_j = Interval(least, 1.0, most) * (above_w * latency.factor.mid)
    whole_j = worked_j + idle_range_w(device).times(latency.factor)
    return _cost(device, run, parts, latency, above_w, Known(worst(latency.method, power.method), whole_j))


def _cost(device: DeviceProfile, run: Run, parts: Seconds, latency: Known, above_w: float, joules: Known) -> Compute:
    """All of it, of a processor that draws so many watts above the idle machine while it computes."""
    on_cpu, taken_s, whole_s = run.target.processor == "cpu", latency.factor, parts.total_s or 1.0
    cores = threads_of(device, run.target) if on_cpu else 0
    cpu_s = parts.total_s - parts.memory_s if on_cpu else parts.overhead_s
    return Compute(
        taken_s.mid,
        above_w * taken_s.mid,
        0.0 if on_cpu else above_w,
        above_w / cores if on_cpu else 0.0,
        cores,
        parts.memory_s / whole_s,
        cpu_s / whole_s,
        latency.method,
        taken_s.low,
        taken_s.high,
        joules.factor,
        joules.method,
    )


def _energy_ends(latency: Interval, power: Interval) -> tuple[float, float]:
    """Factors on the energy: latency and watts are known apart, so that their errors add up as squares do."""
    if not latency.mid or not power.mid:
        return 1.0, 1.0
    ends = [[getattr(each, end) / each.mid for each in (latency, power)] for end in ("low", "high")]
    less, more = ([math.log(max(factor, LEAST_FACTOR)) for factor in each] for each in ends)
    return math.exp(-math.hypot(*less)), math.exp(math.hypot(*more))


def cost_table(
    device: DeviceProfile,
    models: Sequence[ModelProfile],
    targets: Sequence[Target],
    frequencies_hz: Sequence[float | None] | None = None,
    known: Flags | None = None,
) -> CostTable:
    """``compute`` for every network on every target, at the clock of each target; raises what it raises.

    Where ``known``, of shape (networks, targets), says that nothing is, there is NaN.
    """
    clocks_hz = [None] * len(targets) if frequencies_hz is None else frequencies_hz
    runs = list(zip(targets, clocks_hz, strict=True))
    wanted = np.ones((len(models), len(runs)), np.bool_) if known is None else known
    rows = [
        [compute(device, model, *run) if is_told else None for run, is_told in zip(runs, told, strict=True)]
        for model, told in zip(models, wanted, strict=True)
    ]
    names = CostTable.__dataclass_fields__
    columns = {name: [[getattr(cell, name, np.nan) for cell in row] for row in rows] for name in names}
    return CostTable(**{name: np.array(column) for name, column in columns.items()})


def placed(device: DeviceProfile, model: ModelProfile, target: Target) -> Target:
    """Where a network runs when it is sent to a target: there, or on the CPU for want of layers it can do.

    Raises:
        InvalidTarget: the device has no such processor, or that does not compute in such a precision.
        ProfileError: the device file says nothing of the processor's speed.
    """
    device.check(target)
    rates = speed_of(device, target).mac_per_s[target.precision]
    if target.processor == "cpu" or all(kind in rates for kind, macs in macs_by_kind(model).items() if macs):
        return target
    known = target.precision in device.processors["cpu"].precisions
    return Target("device", "cpu", target.precision if known else "fp32")


def speed_of(device: DeviceProfile, target: Target) -> Speed:
    """The speed of a target's processor.

    Raises:
        ProfileError: the device file does not tell it for the target's precision.
    """
    speed = device.processors[target.processor].speed
    if speed is None or target.precision not in speed.mac_per_s:
        missing = f"[{target.processor}.speed.{target.precision}]"
        raise ProfileError(f"{device.name}: {missing} is missing; it is needed to predict a latency")
    return speed


def _speed_known(device: DeviceProfile, target: Target) -> Known:
    """How the speed is known, and the ends of the latency as factors: those of its rate of convolutions."""
    rate = device.figures[f"{target.processor}.speed.{target.precision}.conv_mac_per_s"]
    value, low, high = (float(np.max(rate.value if end is None else end)) for end in (rate.value, rate.low, rate.high))
    return Known(worst(rate.method, Method.MODELLED), Interval(value / high, 1.0, value / low))
