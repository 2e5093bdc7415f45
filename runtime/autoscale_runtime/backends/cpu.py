"""The CPU of the host as execution targets: one per thread count worth choosing between."""

from autoscale.errors import InvalidTarget, listing, one_of
from autoscale.query.target import PRECISIONS, Target
from autoscale_runtime.host.cores import usable_cores


def cpu_targets(precision: str) -> list[Target]:
    """The device's CPU with 1, 2, 4, ... threads up to the usable cores: more only fight each other.

    Raises:
        InvalidTarget: unknown precision.
    """
    one_of("precision", precision, PRECISIONS, InvalidTarget)
    cores = usable_cores()
    counts = {cores} | {1 << bit for bit in range(cores.bit_length())}
    return [Target("device", "cpu", precision, threads=count) for count in sorted(counts)]


def cpu_threads(target: Target) -> int:
    """The thread count a target asks for: all usable cores where it names none.

    Raises:
        InvalidTarget: not this device's CPU, a frequency, or more threads than cores.
    """
    cores = usable_cores()
    threads = cores if target.threads is None else target.threads
    is_cpu = target.place == "device" and target.processor == "cpu" and target.frequency_hz is None
    if not is_cpu or threads > cores:
        allowed = listing(cpu_targets(target.precision))
        raise InvalidTarget(f"target '{target}' is not one of this host's CPU; allowed: {allowed}")
    return threads
