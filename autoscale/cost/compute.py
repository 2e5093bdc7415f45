"""Time and energy of computing one inference on one machine."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from autoscale.cost.roofline import (
    Pace,
    Seconds,
    kind_seconds,
    layers_by_kind,
    macs_by_kind,
    values_by_kind,
)
from autoscale.errors import InvalidTarget, ProfileError, listing
from autoscale.forecast import Floats
from autoscale.model import ModelProfile
from autoscale.outcome import Method
from autoscale.profiles import DeviceProfile, Processor, Speed
from autoscale.profiles.schema import LAYER_KINDS
from autoscale.target import Target


@dataclass(frozen=True, slots=True)
class Compute:
    """What one inference costs the machine that computes it, undisturbed.

    Attributes:
        latency_s: from the call to the answer.
        energy_j: above the idle machine, by all its processors.
        power_w: the mean of that over the latency.
        memory_bound: share of the time limited by memory traffic, 0 to 1; what a memory-heavy co-runner stretches.
        cpu_bound: share of the time limited by the machine's CPU, 0 to 1; what a CPU-heavy co-runner stretches.
        method: modelled where the speed was calibrated on measurements, default where it was not.
        low_s: the latency may be as short as this.
        high_s: and as long as this.
    """

    latency_s: float
    energy_j: float
    power_w: float
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
    power_w: Floats
    memory_bound: Floats
    cpu_bound: Floats
    low_s: Floats
    high_s: Floats


def compute(device: DeviceProfile, model: ModelProfile, target: Target) -> Compute:
    """Predict one inference on one processor; the target's place and host do not matter.

    A CPU runs on all its cores unless the target says how many; a processor runs at its highest frequency unless the
    target says which. Layers that a processor has no rate for run on the CPU.

    Raises:
        InvalidTarget: the device has no such processor, or that does not compute in such a precision.
        ProfileError: the device file says nothing of the processor's speed.
    """
    processor = _processor(device, target)
    cpu = device.processors["cpu"]
    own, on_cpu = _split(device, model, target)
    latency_s = own.total_s + on_cpu.total_s
    threads = cpu.cores if target.threads is None else target.threads
    energy_j = processor.busy_w(threads, target.frequency_hz) * own.total_s + cpu.busy_w(threads) * on_cpu.total_s
    is_cpu = processor.kind == "cpu"
    cpu_s = latency_s - own.memory_s if is_cpu else on_cpu.arithmetic_s + on_cpu.overhead_s
    method, low, high = _trust(device, target)
    return Compute(
        latency_s,
        energy_j,
        energy_j / latency_s,
        (own.memory_s + on_cpu.memory_s) / latency_s,
        cpu_s / latency_s,
        method,
        latency_s * low,
        latency_s * high,
    )


def table(device: DeviceProfile, models: Sequence[ModelProfile], targets: Sequence[Target]) -> CostTable:
    """``compute`` for every pair; raises what it raises."""
    rows = [[compute(device, model, target) for target in targets] for model in models]
    fields = CostTable.__dataclass_fields__
    return CostTable(**{name: np.array([[getattr(cell, name) for cell in row] for row in rows]) for name in fields})


def _processor(device: DeviceProfile, target: Target) -> Processor:
    processor = device.processors.get(target.processor)
    if processor is None:
        raise InvalidTarget(f"{device.name} has no {target.processor}; allowed: {listing(device.processors)}")
    if target.precision not in processor.precisions:
        raise InvalidTarget(
            f"{target.processor} of {device.name} has no {target.precision}; allowed: {listing(processor.precisions)}"
        )
    return processor


def _speed(device: DeviceProfile, kind: str) -> Speed:
    speed = device.processors[kind].speed
    if speed is None:
        raise ProfileError(f"{device.name}: '{kind}.speed' is missing; it is needed to predict a latency")
    return speed


def _split(device: DeviceProfile, model: ModelProfile, target: Target) -> tuple[Seconds, Seconds]:
    """Time on the processor, and time on the CPU for what the processor cannot do."""
    speed = _speed(device, target.processor)
    pace = _pace(device.processors[target.processor], speed, target)
    supported = supported_kinds(speed, target, model)
    own = inference_seconds(speed, target.precision, model, supported, pace)
    if len(supported) == len(LAYER_KINDS):
        return own, Seconds()
    left = [kind for kind in LAYER_KINDS if kind not in supported]
    return own, _fallback(device, model, target, left)
