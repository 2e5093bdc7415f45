"""Time and energy of computing one inference on one machine."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from autoscale.cost.roofline import Pace, Seconds, handover, macs_by_kind, seconds
from autoscale.errors import InvalidTarget, ProfileError, listing
from autoscale.forecast import Floats
from autoscale.model import ModelProfile
from autoscale.outcome import Method
from autoscale.profiles import DeviceProfile, Processor, Speed
from autoscale.profiles.schema import LAYER_KINDS
from autoscale.target import Target

TRAFFIC_EXPONENT: Final = {"cpu": 0.4, "gpu": 0.8, "npu": 0.0}
"""Memory bandwidth goes with the processor's frequency to this power: the memory's own clock follows it, in part
(Linux sdm845.dtsi votes 2.7 to 7.2 GB/s as the Adreno 630 goes from 342 to 710 MHz)."""

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
    target says which. Kinds of layers that a GPU or NPU has no rate for run on the CPU, and are handed over and back.

    Raises:
        InvalidTarget: the device has no such processor, or that does not compute in such a precision.
        ProfileError: the device file says nothing of the processor's speed.
    """
    processor, cpu = _processor(device, target), device.processors["cpu"]
    own, on_cpu = _shares(device, model, target)
    threads = cpu.cores if target.threads is None else target.threads
    latency_s = own.total_s + on_cpu.total_s
    energy_j = processor.busy_w(threads, target.frequency_hz) * own.total_s + cpu.busy_w(cpu.cores) * on_cpu.total_s
    cpu_s = on_cpu.total_s - on_cpu.memory_s + own.overhead_s + (own.arithmetic_s if processor is cpu else 0.0)
    method, least, most = _trust(device, target)
    return Compute(
        latency_s,
        energy_j,
        energy_j / latency_s,
        (own.memory_s + on_cpu.memory_s) / latency_s,
        cpu_s / latency_s,
        method,
        latency_s * least,
        latency_s * most,
    )


def table(device: DeviceProfile, models: Sequence[ModelProfile], targets: Sequence[Target]) -> CostTable:
    """``compute`` for every pair; raises what it raises."""
    rows = [[compute(device, model, target) for target in targets] for model in models]
    names = CostTable.__dataclass_fields__
    return CostTable(**{name: np.array([[getattr(cell, name) for cell in row] for row in rows]) for name in names})


def _processor(device: DeviceProfile, target: Target) -> Processor:
    processor = device.processors.get(target.processor)
    if processor is None:
        raise InvalidTarget(f"{device.name} has no {target.processor}; allowed: {listing(device.processors)}")
    if target.precision not in processor.precisions:
        raise InvalidTarget(
            f"{target.processor} of {device.name} has no {target.precision}; allowed: {listing(processor.precisions)}"
        )
    return processor


def _speed(device: DeviceProfile, kind: str, precision: str) -> Speed:
    speed = device.processors[kind].speed
    if speed is None or precision not in speed.mac_per_s:
        raise ProfileError(f"{device.name}: [{kind}.speed.{precision}] is missing; it is needed to predict a latency")
    return speed


def _shares(device: DeviceProfile, model: ModelProfile, target: Target) -> tuple[Seconds, Seconds]:
    """Time on the processor, and time on the CPU for the kinds that the processor cannot do."""
    speed = _speed(device, target.processor, target.precision)
    pace = _pace(device.processors[target.processor], speed, target)
    if target.processor == "cpu":
        return seconds(speed, target.precision, model, pace), Seconds()
    known = speed.mac_per_s[target.precision]
    left = {kind for kind, macs in macs_by_kind(model).items() if macs and kind not in known}
    own = seconds(speed, target.precision, model, pace, without=left)
    if not left:
        return own, Seconds()
    precision = target.precision if target.precision in device.processors["cpu"].precisions else "fp32"
    cpu = _speed(device, "cpu", precision)
    done = {kind for kind in LAYER_KINDS if kind not in left}
    every_core = _pace(device.processors["cpu"], cpu, Target("device", "cpu", precision))
    return own + handover(speed, model, left), seconds(cpu, precision, model, every_core, without=done)


def _pace(processor: Processor, speed: Speed, target: Target) -> Pace:
    threads = processor.cores if target.threads is None else min(target.threads, processor.cores)
    share = 1.0
    if target.frequency_hz is not None and processor.frequencies_hz:
        share = target.frequency_hz / processor.frequencies_hz[-1]
    amdahl = 1.0 - speed.parallel_fraction * (1.0 - 1.0 / threads)
    slower = share ** -TRAFFIC_EXPONENT[processor.kind]
    return Pace(amdahl / share, slower, 1.0 / share if processor.kind == "cpu" else 1.0)


def _trust(device: DeviceProfile, target: Target) -> tuple[Method, float, float]:
    """How the speed is known, and the ends of the latency as factors: those of its rate of convolutions."""
    rate = device.figures[f"{target.processor}.speed.{target.precision}.conv_mac_per_s"]
    value, low, high = (float(np.max(end or rate.value)) for end in (rate.value, rate.low, rate.high))
    method = Method.DEFAULT if rate.method is Method.DEFAULT else Method.MODELLED
    return method, value / high, value / low
