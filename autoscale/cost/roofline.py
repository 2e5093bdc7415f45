"""Where the time of one inference goes: arithmetic, memory traffic and overhead, per layer kind.

A kind of layer that needs ``c`` seconds of arithmetic and ``m`` seconds of memory traffic takes ``(c^p + m^p)^(1/p)``:
the roofline (Williams et al., CACM 2009) with its corner rounded, because a kind stands for many layers of which some
lie left of the ridge and some right.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from autoscale.model import ModelProfile
from autoscale.profiles import Speed
from autoscale.profiles.schema import LAYER_KINDS

SHARPNESS: Final = 2.0
"""How sharp the corner is: 1 adds the two times, infinity takes the longer."""

VALUE_BYTES: Final = {"fp32": 4, "fp16": 2, "int8": 1}
MACS_PER_VALUE: Final = 60.0
"""Multiply-accumulates for each value a layer reads or writes, in a profile that does not count them."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How a setting compares with one thread at the highest frequency.

    Attributes:
        arithmetic: time of arithmetic and of overhead, as a factor.
        traffic: time of memory traffic, as a factor.
    """

    arithmetic: float = 1.0
    traffic: float = 1.0


@dataclass(frozen=True, slots=True)
class Seconds:
    """The parts of one inference; they add up.

    Attributes:
        arithmetic_s: limited by multiply-accumulates.
        memory_s: limited by memory traffic.
        overhead_s: launches and layer changes.
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


def kind_seconds(speed: Speed, precision: str, kind: str, macs: float, values: float, pace: Pace) -> Seconds:
    """Arithmetic and traffic of all layers of one kind; what each limits is its share of the rounded corner."""
    rate = speed.mac_per_s[precision].get(kind) or max(speed.mac_per_s[precision].values())
    arithmetic_s = macs / rate * pace.arithmetic
    traffic_s = values * VALUE_BYTES[precision] / speed.bandwidth_bytes_per_s * pace.traffic
    powers = arithmetic_s**SHARPNESS + traffic_s**SHARPNESS
    if powers <= 0.0:
        return Seconds()
    total_s = powers ** (1.0 / SHARPNESS)
    memory_s = total_s * traffic_s**SHARPNESS / powers
    return Seconds(total_s - memory_s, memory_s)


def layers_by_kind(model: ModelProfile) -> dict[str, int]:
    """How many layers there are of each kind."""
    return {kind: getattr(model, kind) for kind in LAYER_KINDS}


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
