"""What a query costs the machine that serves it: joules, and grams of CO2e operational and embodied."""

from autoscale.carbon import CarbonAccount, Electricity, Machine, data_centre_pue, device_footprint
from autoscale.errors import ProfileError
from autoscale.physics.power import computing_j, held_share
from autoscale.profiles import DeviceProfile
from autoscale.query.outcome import Method
from autoscale.query.target import Target
from autoscale_runtime.grid.per_grids import PerGrids
from autoscale_runtime.grid.watch import Grids, GridWatch
from autoscale_runtime.meters import Mark, Meter, NullMeter
from autoscale_runtime.wire.cost import ServerCost


class ServerAccount:
    """Turns time on the server into a cost: ``begin`` before the query computes, ``cost`` after.

    Args:
        machine: the profile of the server, for its embodied carbon and, where nothing is measured, its power.
        electricity: where it is drawn, and who reports its carbon intensity.
        pue: power usage effectiveness of its building, 1 or more; None for a large data centre's.
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
        pue: float | None = None,
        meter: Meter | None = None,
    ) -> None:
        if "cpu" not in machine.processors:
            raise ProfileError(f"'{machine.name}' has no CPU; allowed: a machine that models can be served on")
        self.machine = machine
        self.pue = data_centre_pue() if pue is None else pue
        self.grid = GridWatch(electricity or Electricity())
        self._embodied = device_footprint(machine).g_per_s()
        self._meter = meter or NullMeter()
        self._carbon = PerGrids(self._carbon_of)
        self._carbon.at(self.grid.now)

    def begin(self) -> Mark:
        """Open the meter's window."""
        return self._meter.begin()

    def cost(self, mark: Mark, compute_s: float, target: Target) -> ServerCost:
        """The cost of ``compute_s`` seconds on a target of the server, which began at the mark and end now."""
        reading = self._meter.end(mark, target)
        if reading is not None and reading.method is Method.MEASURED:
            return self._cost(reading.energy_j, Method.MEASURED, compute_s, target)
        return self._cost(computing_j(self.machine, target, compute_s), Method.MODELLED, compute_s, target)

    def _cost(self, energy_j: float, method: Method, compute_s: float, target: Target) -> ServerCost:
        grids = self.grid.read()
        carbon = self._carbon.at(grids)
        held_s = compute_s * held_share(self.machine, target)
        grams, ends = carbon.grams(energy_j, held_s), carbon.ends(energy_j, held_s)
        intensity, region = grids.intensities["device"], grids.regions.get("device", "")
        return ServerCost(
            energy_j, grams.operational_g.device, grams.embodied_g.device, ends, method, intensity, region, self.pue
        )

    def _carbon_of(self, grids: Grids) -> CarbonAccount:
        return CarbonAccount(Machine(grids.intensities["device"], self._embodied, self.pue))
