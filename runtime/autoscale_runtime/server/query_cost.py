"""What a query costs the machine that serves it: joules, and grams of CO2e operational and embodied.

It adds up. The power table says what the machine draws: its idle power all the time, what a processor draws while
anybody uses it, and so much for each second that a core works; where it has metered rows, a processor draws what those
say (``metered_factor``), as on a session's meter. The first two are shared out by ``MachineTime``; the third is the CPU
time that a query took, in its model and in the protocol. Whatever is no query's (idle time, refusals, queries that
failed or whose callers left, the server's own work) is kept beside, so that what callers are told and this are,
together, the machine's. Where a counter measures, it sets the scale of all of it (``AttributedMeter``).
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NamedTuple

from autoscale.carbon import CarbonAccount, Electricity, Intensity, Machine, data_centre_pue, device_footprint
from autoscale.errors import ProfileError
from autoscale.physics.measured import metered_factor, metered_watts
from autoscale.physics.power import energy_j, held_share, threads_of
from autoscale.profiles import DeviceProfile
from autoscale.profiles.default_processor import completed
from autoscale.query.outcome import Method
from autoscale.query.target import Target
from autoscale_runtime.grid.per_grids import PerGrids
from autoscale_runtime.grid.watch import Grids, GridWatch
from autoscale_runtime.host.cores import usable_cores
from autoscale_runtime.meters import AttributedMeter, CounterMeter, Meter, ModelledMeter
from autoscale_runtime.server.machine_time import Held, InUse, MachineTime
from autoscale_runtime.wire.cost import Ends, ServerCost

_CPU: Final = "cpu"
_MODELLED: Final = Method.MODELLED


class Rates(NamedTuple):
    """What follows from a query's target and network alone.

    Attributes:
        share: of the machine that it holds.
        own_w: that its processor draws for all who use it.
        core_w: that a core draws.
        processor: that it uses.
    """

    share: float
    own_w: float
    core_w: float
    processor: InUse


class Tariff(NamedTuple):
    """What a joule and a second cost at present, in grams: at best knowledge, at least and at most.

    Attributes:
        intensity: of the electricity.
        region: where it is drawn.
        g_per_j: operational.
        g_per_s: embodied, of all of the machine.
        ends: g_per_j and g_per_s at least, then at most.
    """

    intensity: Intensity
    region: str
    g_per_j: float
    g_per_s: float
    ends: tuple[float, float, float, float]


class Share(NamedTuple):
    """What the account keeps of a query that runs."""

    rates: Rates
    held: Held


@dataclass(slots=True)
class Totals:
    """Joules, and grams likewise, since the account began.

    Attributes:
        told_j: to callers, in their answers.
        failed_j: of queries that ran and had no answer.
        idle_j: of time that no query held.
        overhead_j: of CPU time that is no query's: refusals, probes, loading, housekeeping.
        told_g: grams, operational and embodied, in answers.
        counted_j: by the counter, where there is one: the whole machine's, other programs' with it.
        other_g: of the joules, and of the machine's making, that no answer told.
    """

    told_j: float = 0.0
    failed_j: float = 0.0
    idle_j: float = 0.0
    overhead_j: float = 0.0
    counted_j: float = 0.0
    told_g: float = 0.0
    other_g: float = 0.0

    @property
    def others_j(self) -> float:
        """Of what a counter counted, what this server did not cause: other programs' work."""
        own_j = self.told_j + self.failed_j + self.idle_j + self.overhead_j
        return max(self.counted_j - own_j, 0.0)

    @property
    def machine_j(self) -> float:
        """All of it."""
        return self.told_j + self.failed_j + self.idle_j + self.overhead_j + self.others_j


class ServerAccount:
    """Turns what queries hold and use into a cost. For one thread.

    Args:
        machine: the profile of the server, for its embodied carbon and its power.
        electricity: where it is drawn, and who reports its carbon intensity.
        pue: power usage effectiveness of its building, 1 or more; None for what its cloud region publishes, else a
            large data centre's.
        meter: a counter sets the scale of what the profile's table says; what only models is left to that table.
        clock: seconds, monotonic.
        cores: that queries can hold; None for those that this process may use.

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
        clock: Callable[[], float] = time.monotonic,
        cores: int | None = None,
    ) -> None:
        if _CPU not in machine.processors:
            raise ProfileError(f"'{machine.name}' has no CPU; allowed: a machine that models can be served on")
        self.machine, self._idle_w = machine, machine.idle_w
        electricity = electricity or Electricity()
        self.pue = data_centre_pue(electricity.place) if pue is None else pue
        self.grid = GridWatch(electricity)
        self.totals = Totals()
        self._embodied = device_footprint(machine).g_per_s()
        self._meter = _attributed(meter, machine)
        self._tariff = PerGrids(self._tariff_of)
        self._tariff.at(self.grid.now)
        self._clock = clock
        whole = (cores or usable_cores()) / machine.processors[_CPU].cores
        self._time = MachineTime(clock(), min(whole, 1.0))
        self._idle_s = self._overhead_s = 0.0
        self._rates: dict[tuple[Target, str], Rates] = {}
        self._counted = None if self._meter is None else self._meter.counter.begin()

    @property
    def method(self) -> Method:
        """How joules are known at present."""
        return Method.MODELLED if self._meter is None or self._meter.calibration is None else Method.MEASURED

    def begin(self, target: Target, network: str = "") -> Share:
        """A query of a network begins to run on a target."""
        return self.begin_at(self.rates(target, network))

    def begin_at(self, rates: Rates) -> Share:
        """As ``begin``, of a query whose rates are known."""
        return Share(rates, self._time.begin(rates.share, rates.processor, self._clock()))

    def end(self, share: Share, core_s: float, is_told: bool = True) -> ServerCost:
        """What a query cost that ends now.

        Args:
            share: what ``begin`` gave.
            core_s: core-seconds that it took, in its model and beside it.
            is_told: whether its caller gets to know.
        """
        rates, held = share
        machine_s, shared_s = self._time.end(held, self._clock())
        modelled_j = self._idle_w * machine_s + rates.own_w * shared_s + rates.core_w * core_s
        cost = self._cost(modelled_j if self._meter is None else modelled_j * self._scale(), machine_s)
        grams = cost.carbon_operational_g + cost.carbon_embodied_g
        totals = self.totals
        if is_told:
            totals.told_j += cost.energy_j
            totals.told_g += grams
        else:
            totals.failed_j += cost.energy_j
            totals.other_g += grams
        return cost

    def alone(self, target: Target, compute_s: float, network: str = "") -> ServerCost:
        """What a query costs that has its target to itself and keeps it busy; nothing is taken into account."""
        share = held_share(self.machine, target)
        watts, _ = metered_watts(self.machine, target, network, share)
        core_s = threads_of(self.machine, target) * compute_s if target.processor == _CPU else 0.0
        return self._cost(float(energy_j(watts, compute_s, core_s)), compute_s * share)

    def overhead(self, core_s: float) -> None:
        """Core-seconds that are no query's; they are accounted for with the next ``tick``."""
        self._overhead_s += core_s

    def tick(self) -> Totals:
        """Account for idle time and overhead until now; the totals."""
        self._time.advance(self._clock())
        if self._meter is not None:
            self._meter.end(self._meter.begin())  # a window that is over is taken in
            self._count(self._meter)
        idle_s, self._idle_s = self._time.idle_s - self._idle_s, self._time.idle_s
        core_s, self._overhead_s = self._overhead_s, 0.0
        core_w = self.rates(Target("device", _CPU, "fp32", threads=1)).core_w
        idle_j, overhead_j = self.machine.idle_w * idle_s * self._scale(), core_w * core_s * self._scale()
        cost = self._cost(idle_j + overhead_j, idle_s)
        self.totals.idle_j += idle_j
        self.totals.overhead_j += overhead_j
        self.totals.other_g += cost.carbon_operational_g + cost.carbon_embodied_g
        return self.totals

    def _count(self, meter: AttributedMeter) -> None:
        assert self._counted is not None
        counted = meter.counter.end(self._counted)
        if counted is not None:
            self._counted = meter.counter.begin()
            self.totals.counted_j += counted.energy_j

    def _scale(self) -> float:
        return 1.0 if self._meter is None or self._meter.calibration is None else self._meter.calibration

    def rates(self, target: Target, network: str = "") -> Rates:
        """What follows from a query's target and network alone."""
        known = self._rates.get((target, network))
        if known is None:
            own_w, core_w = self._table_watts(target)
            factor = metered_factor(self.machine, target, network) or 1.0
            core_w *= factor if target.processor == _CPU else 1.0
            known = self._rates[target, network] = Rates(
                held_share(self.machine, target), own_w * factor, core_w, self._time.processor(target.processor)
            )
        return known

    def _table_watts(self, target: Target) -> tuple[float, float]:
        cpu = self.machine.processors[_CPU]
        core_w = cpu.busy_w(2, target.frequency_hz) - cpu.busy_w(1, target.frequency_hz) if cpu.cores > 1 else 0.0
        if target.processor == _CPU:
            return cpu.busy_w(1, target.frequency_hz) - core_w, core_w
        return completed(self.machine, target.processor).processors[target.processor].busy_w(), core_w

    def _cost(self, energy_j: float, held_s: float) -> ServerCost:
        intensity, region, g_per_j, g_per_s, (low, low_s, high, high_s) = self._tariff.at(self.grid.read())
        ends = Ends(energy_j * low, energy_j * high, held_s * low_s, held_s * high_s)
        method = _MODELLED if self._meter is None else self.method
        return ServerCost(energy_j, energy_j * g_per_j, held_s * g_per_s, ends, method, intensity, region, self.pue)

    def _tariff_of(self, grids: Grids) -> Tariff:
        intensity = grids.intensities["device"]
        carbon = CarbonAccount(Machine(intensity, self._embodied, self.pue))
        (g_per_j, _), (_, g_per_s) = carbon.totals_g(1.0, 0.0), carbon.totals_g(0.0, 1.0)
        joule, second = carbon.ends(1.0, 0.0), carbon.ends(0.0, 1.0)
        ends = joule.operational_low_g, second.embodied_low_g, joule.operational_high_g, second.embodied_high_g
        return Tariff(intensity, grids.regions.get("device", ""), g_per_j, g_per_s, ends)


def _attributed(meter: Meter | None, machine: DeviceProfile) -> AttributedMeter | None:
    """A counter, with the machine's table to spread what it counts; None for what does not measure."""
    if isinstance(meter, AttributedMeter):
        return meter
    return AttributedMeter(meter, ModelledMeter(machine)) if isinstance(meter, CounterMeter) else None


Account: Final = ServerAccount
"""Its name until 1.0."""
