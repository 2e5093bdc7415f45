"""What a query costs the machine that serves it: joules, and grams of CO2e operational and embodied."""

from dataclasses import dataclass
from typing import Final

from autoscale.carbon import CarbonAccount, Electricity, Intensity, Machine, device_footprint
from autoscale.errors import ProfileError
from autoscale.profiles import DeviceProfile
from autoscale.query.outcome import CarbonEnds, Method
from autoscale.query.target import Target
from autoscale_runtime.grid.watch import Grids, GridWatch
from autoscale_runtime.meters import Mark, Meter, NullMeter

DEFAULT_PUE: Final = 1.1
"""Power usage effectiveness of a large data centre, as AutoScale's design fixes it."""


@dataclass(frozen=True, slots=True)
class ServerCost:
    """What one query cost.

    Attributes:
        energy_j: of the machine, without its building's.
        carbon_operational_g: of that energy, the building's with it.
        carbon_embodied_g: of the share of the machine that it held, for as long.
        ends: how far the two may lie.
        method: how the energy is known.
        intensity: of the electricity, as it was then.
        region: where that was drawn; empty where not said.
    """

    energy_j: float
    carbon_operational_g: float
    carbon_embodied_g: float
    ends: CarbonEnds
    method: Method
    intensity: Intensity
    region: str


class ServerAccount:
    """Turns time on the server into a bill: ``begin`` before the query computes, ``bill`` after.

    Args:
        machine: the profile of the server, for its embodied carbon and, where nothing is measured, its power.
        electricity: where it is drawn, and who tells its carbon intensity.
        pue: power usage effectiveness of its building, 1 or more.
        meter: what it measures counts; what it only models is left to the machine's power table.

    Raises:
        InvalidInput: a PUE below 1, a live source without its key.
        UnknownName: a place or an intensity source that does not exist.
        ProfileError: the machine has no CPU.
    """

    def __init__(
        self,
        machine: DeviceProfile,
        electricity: Electricity | None = None,
        pue: float = DEFAULT_PUE,
        meter: Meter | None = None,
    ) -> None:
        if "cpu" not in machine.processors:
            raise ProfileError(f"'{machine.name}' has no CPU; allowed: a machine that models can be served on")
        self.machine = machine
        self.pue = pue
        self.grid = GridWatch(electricity or Electricity())
        self._making = device_footprint(machine).g_per_s()
        self._meter = meter or NullMeter()
        self._known = self._rates_of(self.grid.now)

    def begin(self) -> Mark:
        """Open the meter's window."""
        return self._meter.begin()

    def bill(self, mark: Mark, compute_s: float, target: Target) -> ServerCost:
        """The cost of ``compute_s`` seconds on a target of the server, which began at the mark and end now."""
        reading = self._meter.end(mark, target)
        if reading is not None and reading.method is Method.MEASURED:
            return self._bill(reading.energy_j, Method.MEASURED, compute_s, target)
        return self._bill(modelled_j(self.machine, compute_s, target), Method.MODELLED, compute_s, target)

    def _bill(self, energy_j: float, method: Method, compute_s: float, target: Target) -> ServerCost:
        known, now = self._known, self.grid.read()
        if known[0] is not now:
            known = self._known = self._rates_of(now)
        grids, carbon = known
        held_s = compute_s * share(self.machine, target)
        spent, ends = carbon.grams(energy_j, held_s), carbon.ends(energy_j, held_s)
        intensity, region = grids.intensities["device"], grids.regions.get("device", "")
        return ServerCost(
            energy_j, spent.operational_g.device, spent.embodied_g.device, ends, method, intensity, region
        )

    def _rates_of(self, grids: Grids) -> tuple[Grids, CarbonAccount]:
        """As one, since many threads read it."""
        return grids, CarbonAccount(Machine(grids.intensities["device"], self._making, self.pue))


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
