"""What a machine draws for a query: idle power while it is held, and busy power while a processor works.

The paper's model (Kim and Wu, MICRO 2020): a CPU draws its busy power for each second that a core works; a GPU or NPU
draws its own for as long as the query lasts, since nobody sees when it waits.

>>> from autoscale.profiles import load_device
>>> from autoscale.query.target import Target
>>> phone = load_device("mi8pro")
>>> four_cores = watts_of(phone, Target.parse("device:cpu/fp32@4t"))
>>> round(energy_j(four_cores, held_s=1.0, core_s=4.0), 2)
5.55
"""

from collections.abc import Sequence
from functools import reduce
from operator import add
from types import MappingProxyType
from typing import Final, NamedTuple

import numpy as np

from autoscale.arrays import Numbers
from autoscale.errors import one_of
from autoscale.interval import Interval
from autoscale.profiles import DeviceProfile, Figure
from autoscale.query.outcome import Method, worst
from autoscale.query.target import Target

ENDS: Final = ("low", "value", "high")
USUAL_INIT_S: Final = MappingProxyType(
    {"cpu": Interval(0.003, 0.011, 0.25), "gpu": Interval(0.25, 0.5, 2.3), "npu": Interval(0.1, 0.6, 5.0)}
)
"""Loading and compiling a model, where a device's file does not say: of CPUs and GPUs, what the phones of LiteRT's
leaderboard took (devices/pixel9.toml, galaxy-s25.toml); of NPUs nobody published it."""


class Init(NamedTuple):
    """What it takes to get a model ready.

    Attributes:
        latency_s: to load and compile it.
        energy_j: of the whole device meanwhile.
        method: how the two are known.
    """

    latency_s: Interval
    energy_j: Interval
    method: Method


class Watts(NamedTuple):
    """What a machine draws; numbers, or arrays of one shape.

    Attributes:
        idle_w: of the machine, or of the share of it that the query holds, as long as it is held.
        busy_w: above that, of a GPU or NPU that computes, as long.
        core_w: above that, of each CPU core while it works.
    """

    idle_w: Numbers
    busy_w: Numbers
    core_w: Numbers


def energy_j(watts: Watts, held_s: Numbers, core_s: Numbers) -> Numbers:
    """Joules of a machine that is held for ``held_s`` and whose cores work ``core_s`` core-seconds within that."""
    return watts.idle_w * held_s + busy_j(watts.busy_w, watts.core_w, held_s, core_s)


def busy_j(busy_w: Numbers, core_w: Numbers, held_s: Numbers, core_s: Numbers) -> Numbers:
    """The joules of these that the machine would not have drawn idle."""
    return busy_w * held_s + core_w * core_s


def watts_of(
    machine: DeviceProfile, target: Target | None, share: float = 1.0, frequency_hz: float | None = None
) -> Watts:
    """What a machine draws for a query on one of its processors.

    Args:
        machine: the power table.
        target: says the processor, how many cores work at once (all where it does not say) and the frequency, the
            highest where it does not say. Beside a GPU or NPU, and where None, one core works at a time.
        share: of the machine's idle power that the query carries, 0 to 1.
        frequency_hz: at which clock, where not the target but a governor says.

    Raises:
        UnknownName: the machine has no such processor.
    """
    idle_w, cpu = machine.idle_w * share, machine.processors["cpu"]
    if target is None:
        return Watts(idle_w, 0.0, cpu.busy_w(1))
    clock_hz = target.frequency_hz if frequency_hz is None else frequency_hz
    if target.processor == "cpu":
        threads = threads_of(machine, target)
        return Watts(idle_w, 0.0, cpu.busy_w(threads, clock_hz) / threads)
    one_of(f"processor of {machine.name}", target.processor, machine.processors)
    return Watts(idle_w, machine.processors[target.processor].busy_w(1, clock_hz), cpu.busy_w(1))


def working_w(machine: DeviceProfile, target: Target, frequency_hz: float | None = None) -> float:
    """What a target's processor draws above the idle machine while it computes, all of its threads together."""
    watts = watts_of(machine, target, frequency_hz=frequency_hz)
    return float(watts.core_w * threads_of(machine, target) if target.processor == "cpu" else watts.busy_w)


def idle_range_w(machine: DeviceProfile) -> Interval:
    """What a machine draws idle, with the range that its file gives."""
    figure = machine.figures["power.idle_w"]
    low_w, high_w = (machine.idle_w if end is None else float(np.max(end)) for end in (figure.low, figure.high))
    return Interval(low_w, machine.idle_w, high_w)


def power_range(machine: DeviceProfile, target: Target) -> tuple[Method, Interval]:
    """How those watts are known, and their ends as factors: as the machine's file has them at the highest clock."""
    kind, threads = target.processor, threads_of(machine, target)
    weights = {"cpu.shared_w": 1.0, "cpu.core_w": float(threads)} if kind == "cpu" else {f"{kind}.busy_w": 1.0}
    figures = [(machine.figures[key], weight) for key, weight in weights.items() if key in machine.figures]
    if not figures:
        return Method.DEFAULT, Interval(0.5, 1.0, 2.0)
    low_w, mid_w, high_w = (sum(weight * _last(figure, end) for figure, weight in figures) for end in ENDS)
    return worst(*(figure.method for figure, _ in figures)), Interval(low_w / mid_w, 1.0, high_w / mid_w)


def _last(figure: Figure, end: str) -> float:
    value = getattr(figure, end)
    return float(np.atleast_1d(figure.value if value is None else value)[-1])


def initialising(machine: DeviceProfile, processor: str) -> Init:
    """What loading and compiling a model for a processor takes, once, before the first inference.

    One core of the CPU does it, whichever processor it is for: at the least it draws little above idle, at the most the
    processor works, too.

    Raises:
        UnknownName: the machine has no such processor.
    """
    one_of(f"processor of {machine.name}", processor, machine.processors)
    figure = machine.figures.get(f"{processor}.init_s")
    method = Method.DEFAULT if figure is None else figure.method
    latency_s = USUAL_INIT_S[processor] if figure is None else Interval(*(_last(figure, end) for end in ENDS))
    core_w = machine.processors["cpu"].busy_w(1)
    own_w = 0.0 if processor == "cpu" else machine.processors[processor].busy_w()
    power_w = Interval(machine.idle_w, machine.idle_w + core_w, machine.idle_w + core_w + own_w)
    return Init(latency_s, latency_s.times(power_w), worst(method, Method.MODELLED))


def together(inits: Sequence[Init]) -> Init | None:
    """What getting several models ready takes, one after the other; None of none."""
    if not inits:
        return None
    seconds, joules = (reduce(add, each) for each in list(zip(*inits, strict=True))[:2])
    return Init(seconds, joules, worst(*(each.method for each in inits)))


def threads_of(machine: DeviceProfile, target: Target) -> int:
    """How many of a machine's cores a CPU target works on: all unless it says fewer."""
    cores = machine.processors["cpu"].cores
    return min(target.threads or cores, cores)


def held_share(machine: DeviceProfile, target: Target) -> float:
    """The fraction of a machine that a target holds: of its cores, and all of it for a GPU or NPU."""
    if target.processor != "cpu":
        return 1.0
    return threads_of(machine, target) / machine.processors["cpu"].cores


def computing_j(machine: DeviceProfile, target: Target, compute_s: float) -> float:
    """Joules of a machine that computes a query of somebody else's, its idle power by the share that the target holds.

    Queries that run side by side each count the part of the processor's power that they have in common.

    Raises:
        UnknownName: the machine has no such processor.
    """
    core_s = threads_of(machine, target) * compute_s if target.processor == "cpu" else 0.0
    return float(energy_j(watts_of(machine, target, held_share(machine, target)), compute_s, core_s))
