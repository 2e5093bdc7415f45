"""What a query costs: joules of this device by its meter, what the remote machine says of itself, and grams of CO2e."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final

from autoscale.carbon import CarbonAccount, Machine, device_footprint, load_network_share
from autoscale.carbon.intensity.base import KINDS
from autoscale.carbon.network_share import MEDIUM_OF_RADIO
from autoscale.query.outcome import CarbonEnds, Method, Outcome, Split, worst
from autoscale.query.target import Target
from autoscale_runtime.device.radio_rest import RadioRest
from autoscale_runtime.grid.per_grids import PerGrids
from autoscale_runtime.grid.watch import Grids, GridWatch
from autoscale_runtime.meters.base import Mark, Meter, Reading
from autoscale_runtime.meters.modelled import ModelledMeter
from autoscale_runtime.wire.cost import RemoteCost

NOTHING_REPORTED: Final = RemoteCost(0, 0)

REST_STEPS: Final = 20


@dataclass(frozen=True, slots=True)
class Transfer:
    """What crosses a link for one query.

    Attributes:
        sent_bytes: of the request.
        received_bytes: of the answer.
        uplink_bps: the link's rate from here.
        downlink_bps: its rate to here.
        rssi_dbm: its signal; None where not sensed.
        is_direct: whether nothing lies between the machines, as between two in one room.
    """

    sent_bytes: int
    received_bytes: int
    uplink_bps: float
    downlink_bps: float
    rssi_dbm: float | None = None
    is_direct: bool = False

    @property
    def network_bytes(self) -> int:
        """What the network between the machines carries."""
        return 0 if self.is_direct else self.sent_bytes + self.received_bytes


@dataclass(frozen=True, slots=True)
class GridRates:
    """What joules, seconds and bytes carry at one moment.

    Attributes:
        account: of a query.
        added: what a decision goes by: the same but for the network, which runs anyway.
        methods: how the figures are known, as far as it was asked for.
    """

    account: CarbonAccount
    added: CarbonAccount
    methods: dict[tuple[Method, bool, bool], dict[str, Method]] = field(default_factory=dict)


class DeviceAccount:
    """Turns readings and bytes into outcomes.

    Of the network an account takes the share that goes with its intensity: the average of all that it draws and was
    made of, or the marginal of what a byte adds. Decisions go by the latter alone: a network runs anyway.

    Attributes:
        table: the power table.
        grid: the electricity of all that queries touch.
        is_modelled: whether energy is the power table's alone, which two clocks are enough for.

    Args:
        meter: tells this device's energy in a window.
        table: the power table, for forecasts, and for the radio where the meter does not see it.
        grid: the electricity of this device and of the network.
        radio_rest: how long the radio rests between queries, whoever uses it; None where nobody else does.
    """

    def __init__(
        self,
        meter: Meter,
        table: ModelledMeter,
        grid: GridWatch,
        radio_rest: RadioRest | None = None,
    ) -> None:
        self.table = table
        self.is_modelled = isinstance(meter, ModelledMeter)
        self.begin = meter.begin
        self._meter = meter
        self.grid = grid
        self._embodied = device_footprint(table.profile).g_per_s()
        medium = MEDIUM_OF_RADIO[table.radio]
        self._shares = {kind: load_network_share(medium, kind) for kind in KINDS}
        self._radio_rest = RadioRest() if radio_rest is None else radio_rest
        self._rates = PerGrids(self._rates_of)

    def end(
        self,
        mark: Mark,
        target: Target,
        latency_s: float,
        accuracy: float | None = None,
        transfer: Transfer | None = None,
        reported: RemoteCost = NOTHING_REPORTED,
        grids: Grids | None = None,
        here_s: float = 0.0,
    ) -> Outcome:
        """The outcome of what began at ``mark``.

        Args:
            mark: what ``begin`` gave.
            target: where it ran.
            latency_s: how long it took.
            accuracy: of the variant that answered.
            transfer: what crossed the link, if anything did.
            reported: the remote machine's own account; what it leaves out counts as 0 and has no method.
            grids: as they were when the query was decided; None for as they are now.
            here_s: of the latency, what this device computed before it sent anything.
        """
        radio_j, moved_bytes = 0.0, 0
        if transfer is not None:
            computing_s = here_s + (reported.queue_s or 0.0) + (reported.compute_s or 0.0)
            radio_j = self._radio_j(transfer, latency_s, self._radio_rest.used(latency_s), computing_s)
            moved_bytes = transfer.network_bytes
        reading = self._read(mark, target, latency_s, radio_j)
        return self.outcome(reading, latency_s, accuracy, moved_bytes, reported, grids)

    def outcome(
        self,
        reading: Reading,
        latency_s: float,
        accuracy: float | None = None,
        moved_bytes: int = 0,
        reported: RemoteCost = NOTHING_REPORTED,
        grids: Grids | None = None,
    ) -> Outcome:
        """The outcome of what was read, the radio with it, where so many bytes crossed the network; see :meth:`end`."""
        energy_j = reading.energy_j
        rates = self._rates.at(grids or self.grid.read())
        grams = rates.account.grams(energy_j, latency_s, moved_bytes)
        added_g = _added_g(rates, energy_j, latency_s, moved_bytes) if moved_bytes else None
        here = Outcome(
            latency_s,
            Split(energy_j, grams.network_j),
            grams.operational_g,
            grams.embodied_g,
            accuracy,
            _methods(rates, reading.method, accuracy is not None, moved_bytes > 0),
            rates.account.ends(energy_j, latency_s, moved_bytes),
            added_g,
        )
        return here if reported is NOTHING_REPORTED else _with_reported(here, reported)

    @property
    def clock(self) -> Callable[[], float]:
        """By which the radio rests."""
        return self._radio_rest.clock

    def rest_s(self, after_s: float = 0.0) -> float:
        """How long the radio will not have been used in so many seconds, if it rests until then.

        In steps, ``REST_STEPS`` of them in its tail, which is known no better; infinite beyond it.
        """
        rest_s, tail_s = self._radio_rest.now_s() + after_s, self.table.tail_s
        return math.inf if rest_s >= tail_s else tail_s / REST_STEPS * round(rest_s / tail_s * REST_STEPS)

    def radio_j(self, transfer: Transfer, latency_s: float, rest_s: float) -> float:
        """What the radio would spend on a query that begins after that rest, the tail that it adds with it."""
        return self._radio_j(transfer, latency_s, rest_s)

    def added_g(self, energy_j: float, latency_s: float, moved_bytes: int = 0, grids: Grids | None = None) -> float:
        """Grams of CO2e that a query adds here and on the network, operational and embodied."""
        return _added_g(self._rates.at(grids or self.grid.read()), energy_j, latency_s, moved_bytes)

    def _read(self, mark: Mark, target: Target, latency_s: float, radio_j: float) -> Reading:
        """What the meter tells of a query, or the table in its place; with what it does not see of the radio."""
        beside_j = self._meter.radio_beside_j(radio_j) if radio_j else 0.0
        reading = self._meter.end(mark, target)
        if reading is None:
            reading, beside_j = self.table.reading(latency_s, 0.0, target), radio_j
        if not beside_j:
            return reading
        method = reading.method if self._meter.sees_radio else worst(reading.method, Method.MODELLED)
        return reading._replace(energy_j=reading.energy_j + beside_j, method=method)

    def _radio_j(self, transfer: Transfer, latency_s: float, rest_s: float, computing_s: float = 0.0) -> float:
        return self.table.radio_j(
            transfer.sent_bytes,
            transfer.received_bytes,
            transfer.uplink_bps,
            transfer.downlink_bps,
            transfer.rssi_dbm,
            latency_s,
            rest_s,
            computing_s,
        )

    def _rates_of(self, grids: Grids) -> GridRates:
        device, network = grids.intensities["device"], grids.intensities["network"]
        here = Machine(device, self._embodied)
        account, added = (CarbonAccount(here, self._shares[kind], network) for kind in (network.kind, "marginal"))
        return GridRates(account, added)


def _added_g(rates: GridRates, energy_j: float, latency_s: float, moved_bytes: int) -> float:
    operational_g, embodied_g = rates.added.mid.totals_g(energy_j, latency_s, moved_bytes, 0.0, 0.0)
    return float(operational_g + embodied_g)


def _methods(rates: GridRates, energy: Method, has_accuracy: bool, has_network: bool) -> dict[str, Method]:
    """Figure to how it is known; what was not used at all has no method."""
    key = (energy, has_accuracy, has_network)
    if key not in rates.methods:
        methods = {
            **rates.account.methods,
            "latency_s": Method.MEASURED,
            "accuracy": Method.MEASURED,
            "energy_j.device": energy,
            "carbon_operational_g.device": worst(energy, rates.account.methods["carbon_operational_g.device"]),
        }
        unknown = {"accuracy"} if not has_accuracy else set()
        unspent = set() if has_network else {name for name in methods if name.endswith(".network")}
        rates.methods[key] = {n: m for n, m in methods.items() if n not in unknown | unspent}
    return rates.methods[key].copy()  # each outcome's own: a view of one cannot be pickled


def _with_reported(here: Outcome, reported: RemoteCost) -> Outcome:
    """The outcome with what the remote machine says of itself; what it leaves out counts as 0 and has no method."""
    operational_g, embodied_g = reported.carbon_operational_g or 0.0, reported.carbon_embodied_g or 0.0
    intensity = Method.DEFAULT if reported.grid is None else reported.grid.method
    embodied = Method.DEFAULT if reported.grid is None else Method.MODELLED
    methods = {
        "energy_j.remote": (reported.energy_j, reported.method),
        "carbon_operational_g.remote": (reported.carbon_operational_g, worst(reported.method, intensity)),
        "carbon_embodied_g.remote": (reported.carbon_embodied_g, embodied),
    }
    ends = reported.ends or CarbonEnds(operational_g, operational_g, embodied_g, embodied_g)
    return replace(
        here,
        energy_j=here.energy_j + Split(remote=reported.energy_j or 0.0),
        carbon_operational_g=here.carbon_operational_g + Split(remote=operational_g),
        carbon_embodied_g=here.carbon_embodied_g + Split(remote=embodied_g),
        methods={**here.methods, **{name: method for name, (value, method) in methods.items() if value is not None}},
        ends=here.known_ends() + ends,
        added_carbon_g=here.decisive_carbon_g + operational_g + embodied_g,
        pue_remote=reported.pue,
        intensity_remote_g_per_kwh=None if reported.grid is None or not reported.energy_j else reported.grid.g_per_kwh,
    )
