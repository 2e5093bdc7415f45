"""Where the time of one inference goes: arithmetic, memory traffic and overhead, per layer kind.

A kind of layer that needs ``c`` seconds of arithmetic and ``m`` seconds of memory traffic takes ``(c^p + m^p)^(1/p)``:
the roofline (Williams et al., CACM 2009) with its corner rounded, because a kind stands for many layers of which some
lie left of the ridge and some right.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from autoscale.profiles import Processor, Speed
from autoscale.query.model_profile import LAYER_KINDS, ModelProfile
from autoscale.query.target import Target

SHARPNESS: Final = 2.0
"""How sharp the corner is: 1 adds the two times, infinity takes the longer."""

TRAFFIC_EXPONENT: Final = {"cpu": 0.4, "gpu": 0.8, "npu": 0.0}
"""Memory bandwidth goes with the processor's frequency to this power: the memory's own clock follows it, in part
(Linux sdm845.dtsi votes 2.7 to 7.2 GB/s as the Adreno 630 goes from 342 to 710 MHz)."""

VALUE_BYTES: Final = {"fp32": 4, "fp16": 2, "int8": 1}
MACS_PER_VALUE: Final = 60.0
"""Multiply-accumulates for each value a layer reads or writes, in a profile that does not count them."""

_LIKE: Final = {
    "depthwise_conv": "conv",
    "fully_connected": "conv",
    "recurrent": "fully_connected",
    "other": "conv",
}


@dataclass(frozen=True, slots=True)
class Pace:
    """How a setting compares with one thread at the highest frequency: factors on the times.

    ``wake`` is that on what waking the other threads takes, 0 where there are none.
    """

    arithmetic: float = 1.0
    traffic: float = 1.0
    overhead: float = 1.0
    wake: float = 0.0


@dataclass(frozen=True, slots=True)
class Seconds:
    """The parts of one inference; they add up.

    Attributes:
        arithmetic_s: limited by multiply-accumulates.
        memory_s: limited by memory traffic.
        overhead_s: launch and layer changes.
    """

    arithmetic_s: float = 0.0
    memory_s: float = 0.0
    overhead_s: float = 0.0

    @property
    def total_s(self) -> float:
        """All of them."""
        return self.arithmetic_s + self.memory_s + self.overhead_s

    def __add__(self, other: "Seconds") -> "Seconds":
        return Seconds(
            self.arithmetic_s + other.arithmetic_s,
            self.memory_s + other.memory_s,
            self.overhead_s + other.overhead_s,
        )


def seconds(speed: Speed, precision: str, model: ModelProfile, pace: Pace) -> Seconds:
    """Time of one inference."""
    rates, macs, values = speed.mac_per_s[precision], dict(macs_by_kind(model)), values_by_kind(model)
    macs["conv"] = macs.get("conv", 0) + round(model.spatial_macs * (1.0 / speed.spatial_ratio - 1.0))
    value_s = VALUE_BYTES[precision] / speed.bandwidth_bytes_per_s * pace.traffic
    layers = sum(getattr(model, kind) for kind in LAYER_KINDS)
    parts = [
        corner(macs.get(kind, 0) / rate_of(rates, kind) * pace.arithmetic, values.get(kind, 0) * value_s)
        for kind in LAYER_KINDS
    ]
    alone_s = (speed.launch_s + layers * speed.layer_s) * pace.overhead
    return sum(parts, Seconds(overhead_s=alone_s + waking_s(parts, layers, speed.wake_s * pace.wake)))


def pace_of(processor: Processor, speed: Speed, target: Target, frequency_hz: float | None = None) -> Pace:
    """The setting of a target: on all cores and at the highest frequency, unless it (or ``frequency_hz``) says so."""
    frequency_hz = target.frequency_hz if frequency_hz is None else frequency_hz
    threads = processor.cores if target.threads is None else min(target.threads, processor.cores)
    share = 1.0
    if frequency_hz is not None and processor.frequencies_hz:
        share = frequency_hz / processor.frequencies_hz[-1]
    amdahl = 1.0 - speed.parallel_fraction * (1.0 - 1.0 / threads)
    slower = share ** -TRAFFIC_EXPONENT[processor.kind]
    shared = 1.0 - speed.traffic_parallel_fraction * (1.0 - 1.0 / threads)
    slow = 1.0 / share if processor.kind == "cpu" else 1.0
    return Pace(amdahl / share, slower * shared, slow, slow if threads > 1 else 0.0)


def waking_s(parts: Sequence[Seconds], layers: int, wake_s: float) -> float:
    """What it takes to wake the threads for each layer; a layer that is over sooner is not shared."""
    if not (layers and wake_s):
        return 0.0
    layer_s = sum(part.total_s for part in parts) / layers
    return layers * wake_s * layer_s / (layer_s + wake_s)


def corner(arithmetic_s: float, traffic_s: float) -> Seconds:
    """A kind's time, shared out by how much each of the two lengthens it (its elasticity)."""
    powers = arithmetic_s**SHARPNESS + traffic_s**SHARPNESS
    if powers == 0.0:
        return Seconds()
    total_s = powers ** (1.0 / SHARPNESS)
    memory_s = total_s * traffic_s**SHARPNESS / powers
    return Seconds(total_s - memory_s, memory_s)


def rate_of(rates: Mapping[str, float], kind: str) -> float:
    """The MAC/s of a kind; one without a rate of its own takes that of the kind most like it."""
    while kind not in rates:
        kind = _LIKE[kind]
    return rates[kind]


def macs_by_kind(model: ModelProfile) -> Mapping[str, int]:
    """The multiply-accumulates of each kind; a profile that does not split them has convolutions."""
    return model.macs_by_kind or {"conv": model.macs}


def values_by_kind(model: ModelProfile) -> Mapping[str, float]:
    """The values each kind moves; a profile that does not count them moves as many as its arithmetic suggests."""
    if model.values_by_kind:
        return model.values_by_kind
    macs = macs_by_kind(model)
    total = max(sum(macs.values()), 1)
    return {kind: count / MACS_PER_VALUE + model.parameters * count / total for kind, count in macs.items()}
