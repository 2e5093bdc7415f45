"""Time and energy of computing one inference on one machine."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from autoscale.arrays import Floats
from autoscale.errors import ProfileError
from autoscale.physics.power import busy_j, threads_of, watts_of
from autoscale.physics.roofline import macs_by_kind, pace_of, seconds
from autoscale.profiles import DeviceProfile, Speed
from autoscale.query.model_profile import ModelProfile
from autoscale.query.outcome import Method
from autoscale.query.target import Target

_WORSE_LAST: Final = (Method.MEASURED, Method.MODELLED, Method.DEFAULT)


@dataclass(frozen=True, slots=True)
class Compute:
    """What one inference costs the machine that computes it, undisturbed.

    Attributes:
        latency_s: from the call to the answer.
        energy_j: above the idle machine, by all its processors.
        busy_w: of a GPU or NPU, above the idle machine, all the while; 0 where the CPU computes.
        core_w: of each CPU core that computes, above the idle machine; 0 where it does not.
        cores: how many of those work all the while.
        memory_bound: share of the time limited by memory traffic, 0 to 1; what a memory-heavy co-runner stretches.
        cpu_bound: share of the time limited by the machine's CPU, 0 to 1; what a CPU-heavy co-runner stretches.
        method: modelled where the speed was calibrated on measurements, default where it was not.
        low_s: the latency may be as short as this.
        high_s: and as long as this.
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
    low_s: Floats
    high_s: Floats


def compute(device: DeviceProfile, model: ModelProfile, target: Target, frequency_hz: float | None = None) -> Compute:
    """Predict one inference on one processor; the target's place and host do not matter.

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
        ProfileError: the device file says nothing of the processor's speed.
    """
    asked, target = target, placed(device, model, target)
    frequency_hz = frequency_hz if asked.processor == target.processor else None
    processor, speed = device.processors[target.processor], speed_of(device, target)
    parts = seconds(speed, target.precision, model, pace_of(processor, speed, target, frequency_hz))
    watts = watts_of(device, target, frequency_hz=frequency_hz)
    cores = threads_of(device, target) if processor.kind == "cpu" else 0
    core_w = watts.core_w if cores else 0.0
    cpu_s = parts.total_s - parts.memory_s if processor.kind == "cpu" else parts.overhead_s
    method, least, most = _uncertainty(device, target)
    return Compute(
        parts.total_s,
        busy_j(watts.busy_w, core_w, parts.total_s, cores * parts.total_s),
        watts.busy_w,
        core_w,
        cores,
        parts.memory_s / parts.total_s,
        cpu_s / parts.total_s,
        method,
        parts.total_s * least,
        parts.total_s * most,
    )


def cost_table(
    device: DeviceProfile,
    models: Sequence[ModelProfile],
    targets: Sequence[Target],
    frequencies_hz: Sequence[float | None] | None = None,
) -> CostTable:
    """``compute`` for every network on every target, at the clock of each target; raises what it raises."""
    clocks_hz = [None] * len(targets) if frequencies_hz is None else frequencies_hz
    runs = list(zip(targets, clocks_hz, strict=True))
    rows = [[compute(device, model, *run) for run in runs] for model in models]
    names = CostTable.__dataclass_fields__
    return CostTable(**{name: np.array([[getattr(cell, name) for cell in row] for row in rows]) for name in names})


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


def _uncertainty(device: DeviceProfile, target: Target) -> tuple[Method, float, float]:
    """How the speed is known, and the ends of the latency as factors: those of its rate of convolutions."""
    rate = device.figures[f"{target.processor}.speed.{target.precision}.conv_mac_per_s"]
    value, low, high = (float(np.max(rate.value if end is None else end)) for end in (rate.value, rate.low, rate.high))
    return max(rate.method, Method.MODELLED, key=_WORSE_LAST.index), value / high, value / low
