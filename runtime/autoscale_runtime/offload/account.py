"""What a query costs the machine that serves it: joules, and grams of CO2e operational and embodied."""

from dataclasses import dataclass
from typing import Final

from autoscale.carbon import WORLD_INTENSITY_G_PER_KWH, embodied_g, operational_g
from autoscale.errors import InvalidInput, ProfileError
from autoscale.outcome import Method
from autoscale.profiles import DeviceProfile
from autoscale.target import Target
from autoscale_runtime.meters import Mark, Meter, NullMeter

DEFAULT_PUE: Final = 1.1
"""Power usage effectiveness of a large data centre, as AutoScale's design fixes it."""


@dataclass(frozen=True, slots=True)
class Bill:
    """What one query cost; ``method`` is how its energy is known."""

    energy_j: float
    carbon_operational_g: float
    carbon_embodied_g: float
    method: Method


class Account:
    """Turns time on the server into a bill: ``begin`` before the query computes, ``bill`` after.

    Args:
        machine: the profile of the server, for its embodied carbon and, where nothing is measured, its power.
        intensity_g_per_kwh: carbon intensity of its electricity.
        pue: power usage effectiveness of its building, 1 or more.
        meter: what it measures counts; what it only models is left to the machine's power table.

    Raises:
        InvalidInput: an intensity below 0 or a PUE below 1.
        ProfileError: the machine has no CPU.
    """

    def __init__(
        self,
        machine: DeviceProfile,
        intensity_g_per_kwh: float = WORLD_INTENSITY_G_PER_KWH,
        pue: float = DEFAULT_PUE,
        meter: Meter | None = None,
    ) -> None:
        if not 0.0 <= intensity_g_per_kwh < float("inf"):
            raise InvalidInput(f"intensity_g_per_kwh is {intensity_g_per_kwh}; allowed: 0 or more")
        if not 1.0 <= pue < float("inf"):
            raise InvalidInput(f"pue is {pue}; allowed: 1 or more")
        if "cpu" not in machine.processors:
            raise ProfileError(f"'{machine.name}' has no CPU; allowed: a machine that models can be served on")
        self.machine = machine
        self.intensity_g_per_kwh = intensity_g_per_kwh
        self.pue = pue
        self._meter = meter or NullMeter()

    def begin(self) -> Mark:
        """Open the meter's window."""
        return self._meter.begin()

    def bill(self, mark: Mark, compute_s: float, target: Target) -> Bill:
        """The cost of ``compute_s`` seconds on a target of the server, which began at the mark and end now."""
        reading = self._meter.end(mark, target)
        if reading is not None and reading.method is Method.MEASURED:
            return self._bill(reading.energy_j, Method.MEASURED, compute_s, target)
        return self._bill(modelled_j(self.machine, compute_s, target), Method.MODELLED, compute_s, target)

    def _bill(self, energy_j: float, method: Method, compute_s: float, target: Target) -> Bill:
        making = self.machine.embodied
        return Bill(
            energy_j,
            operational_g(energy_j, self.intensity_g_per_kwh, self.pue),
            embodied_g(making.total_kg, compute_s, making.lifetime_s, share(self.machine, target)),
            method,
        )


def modelled_j(machine: DeviceProfile, compute_s: float, target: Target) -> float:
    """Measured time times the watts of a machine's table, its idle power by the share of cores.

    Queries that run side by side each count the part of the processor's power that they have in common.
    """
    busy_w = machine.processors["cpu"].busy_w(_threads(machine, target))
    return compute_s * (machine.idle_w * share(machine, target) + busy_w)


def share(machine: DeviceProfile, target: Target) -> float:
    """The fraction of a machine's cores that a target holds."""
    return _threads(machine, target) / machine.processors["cpu"].cores


def _threads(machine: DeviceProfile, target: Target) -> int:
    cores = machine.processors["cpu"].cores
    return min(target.threads or cores, cores)
