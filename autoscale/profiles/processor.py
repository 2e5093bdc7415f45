"""A processor: its frequency steps, what it draws at each, and how fast it computes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from autoscale.arrays import Floats
from autoscale.errors import ProfileError, one_of
from autoscale.profiles.reader import Facts
from autoscale.query.model_profile import LAYER_KINDS
from autoscale.query.target import PRECISIONS, Target
from autoscale.units import hz_from_mhz


@dataclass(frozen=True, slots=True)
class Speed:
    """What a roofline of a processor needs, at its highest frequency and on one thread.

    Attributes:
        launch_s: fixed cost of one inference.
        layer_s: fixed cost of one layer.
        bandwidth_bytes_per_s: memory traffic it can sustain.
        parallel_fraction: share of the work that more threads speed up (Amdahl); 0 where there is one queue.
        spatial_ratio: MAC/s of convolutions larger than 1 x 1, as a factor of ``conv``: above 1 where the framework
            saves multiplications (Winograd's method), below where it has to gather the windows first.
        mac_per_s: precision to layer kind to effective multiply-accumulates a second.
        wake_s: what a layer costs more where several threads share it: they have to be woken, and waited for.
        traffic_parallel_fraction: share of the memory traffic that more threads speed up; 0 where one fills the memory.
    """

    launch_s: float
    layer_s: float
    bandwidth_bytes_per_s: float
    parallel_fraction: float
    spatial_ratio: float
    mac_per_s: Mapping[str, Mapping[str, float]]
    wake_s: float = 0.0
    traffic_parallel_fraction: float = 0.0


@dataclass(frozen=True, slots=True)
class Processor:
    """One processor of a device.

    Attributes:
        kind: ``cpu``, ``gpu`` or ``npu``.
        name: as its maker calls it.
        precisions: those it computes in.
        cores: how many threads it runs at once.
        frequencies_hz: DVFS steps, rising; empty where it has one setting.
        shared_w: watts above idle while it works at all, at each step, shape (steps,) or (1,).
        core_w: watts above idle for each core that works, likewise.
        idle_w: what it draws while the device is awake and it does nothing (part of the device's ``idle_w``).
        speed: how fast it computes; None where that was not calibrated.
    """

    kind: str
    name: str
    precisions: tuple[str, ...]
    cores: int
    frequencies_hz: tuple[int, ...]
    shared_w: Floats
    core_w: Floats
    idle_w: float
    speed: Speed | None = None

    def thread_counts(self) -> list[int]:
        """Thread counts worth choosing between, rising: 1, 2, 4, ... and all cores; more only fight each other."""
        return sorted({self.cores} | {1 << bit for bit in range(self.cores.bit_length())})

    def busy_w(self, threads: int = 1, frequency_hz: float | None = None) -> float:
        """Watts above idle while ``threads`` cores work.

        Args:
            threads: more than there are cores count as all cores; none draw nothing.
            frequency_hz: between two steps it is interpolated; None takes the highest.
        """
        if threads <= 0:
            return 0.0
        power_w = self.shared_w + min(threads, self.cores) * self.core_w
        if frequency_hz is None or not self.frequencies_hz:
            return float(power_w[-1])
        return float(np.interp(frequency_hz, self.frequencies_hz, power_w))


class Setting(NamedTuple):
    """A processor's setting, whichever way a target says it."""

    precision: str
    threads: int
    frequency_hz: int


def setting_of(processor: Processor, target: Target, frequency_hz: float | None = None) -> Setting:
    """A target's setting: all cores and the highest clock, unless it (or ``frequency_hz``) says otherwise."""
    clock_hz = target.frequency_hz if frequency_hz is None else frequency_hz
    highest_hz = processor.frequencies_hz[-1] if processor.frequencies_hz else 0
    threads = min(target.threads or processor.cores, processor.cores)
    return Setting(target.precision, threads, round(clock_hz or highest_hz) if highest_hz else 0)


def processor_from(facts: Facts, kind: str) -> Processor:
    """The processor that the table ``[cpu]``, ``[gpu]`` or ``[npu]`` of a device file describes.

    Raises:
        ProfileError: a precision that does not exist or stands there twice, or a power that falls as frequencies rise.
    """
    precisions = _precisions(facts, kind)
    stepped = kind != "npu"
    shared_w = facts.array("cpu.shared_w" if kind == "cpu" else f"{kind}.busy_w")
    core_w = facts.array("cpu.core_w") if kind == "cpu" else np.zeros_like(shared_w)
    if (np.diff(shared_w) < 0).any() or (np.diff(core_w) < 0).any():
        raise ProfileError(f"{facts.path}: the power of {kind} falls as its frequency rises; allowed: rising")
    return Processor(
        kind,
        facts.texts[f"{kind}.name"],
        precisions,
        round(facts.number("cpu.cores")) if kind == "cpu" else 1,
        tuple(hz_from_mhz(step) for step in facts.array(f"{kind}.frequencies_mhz")) if stepped else (),
        shared_w,
        core_w,
        facts.number(f"{kind}.idle_w"),
        _speed(facts, kind) if facts.has(f"{kind}.speed") else None,
    )


def _precisions(facts: Facts, kind: str) -> tuple[str, ...]:
    names = facts.texts[f"{kind}.precisions"]
    listed = (names,) if isinstance(names, str) else tuple(names)
    for name in listed:
        one_of(f"precision in {facts.path}: {kind}.precisions:", name, PRECISIONS, ProfileError)
    if len({*listed}) != len(listed):
        raise ProfileError(f"{facts.path}: {kind}.precisions is {list(listed)}; allowed: each once")
    return listed


def _speed(facts: Facts, kind: str) -> Speed:
    at = f"{kind}.speed"
    rates = {
        precision: {
            layer: facts.number(key)
            for layer in LAYER_KINDS
            if (key := f"{at}.{precision}.{layer}_mac_per_s") in facts.figures
        }
        for precision in PRECISIONS
    }
    return Speed(
        facts.number(f"{at}.launch_s"),
        facts.number(f"{at}.layer_s"),
        facts.number(f"{at}.bandwidth_gb_per_s") * 1e9,
        facts.number(f"{at}.parallel_fraction") if kind == "cpu" else 0.0,
        _optional(facts, f"{at}.spatial_ratio", 1.0),
        {precision: kinds for precision, kinds in rates.items() if kinds},
        _optional(facts, f"{at}.wake_s"),
        _optional(facts, f"{at}.traffic_parallel_fraction"),
    )


def _optional(facts: Facts, key: str, absent: float = 0.0) -> float:
    return facts.number(key) if key in facts.figures else absent
