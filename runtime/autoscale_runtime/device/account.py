"""What a query costs: joules of this device by its meter, what the far machine says of itself, and grams of CO2e."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

from autoscale.carbon import CarbonAccount, Intensity, Machine, Range, device_footprint, load_network_share
from autoscale.outcome import Method, Outcome, Split
from autoscale.target import Target
from autoscale_runtime.backends.base import RemoteCost
from autoscale_runtime.meters.base import Mark, Meter, Reading
from autoscale_runtime.meters.modelled import ModelledMeter

NOTHING_SAID: Final = RemoteCost(0, 0)


@dataclass(frozen=True, slots=True)
class Transfer:
    """What crosses a link for one query: bytes, the link's rates, and its signal (None where not sensed)."""

    sent_bytes: int
    received_bytes: int
    uplink_bps: float
    downlink_bps: float
    rssi_dbm: float | None = None


class Account:
    """Turns readings and bytes into outcomes.

    Attributes:
        table: the power table.
        is_modelled: whether energy is the power table's alone, which two clocks are enough for.

    Args:
        meter: tells this device's energy in a window.
        table: the power table, for forecasts and for the radio, which no meter sees by itself.
        carbon: grams of this device and of the network, by joule, second and byte.
    """

    def __init__(self, meter: Meter, table: ModelledMeter, carbon: CarbonAccount) -> None:
        self.table = table
        self.is_modelled = isinstance(meter, ModelledMeter)
        self.begin = meter.begin
        self._end = meter.end
        self._carbon = carbon.mid
        self._carbon_methods = carbon.methods
        self._known: dict[tuple[Method, bool, bool], Mapping[str, Method]] = {}

    def end(
        self,
        mark: Mark,
        target: Target,
        latency_s: float,
        accuracy: float | None = None,
        transfer: Transfer | None = None,
        said: RemoteCost = NOTHING_SAID,
    ) -> Outcome:
        """The outcome of what began at ``mark``.

        Args:
            mark: what ``begin`` gave.
            target: where it ran.
            latency_s: how long it took.
            accuracy: of the variant that answered.
            transfer: what crossed the link, if anything did.
            said: the far machine's own account; what it leaves out counts as 0 and has no method.
        """
        reading = self._end(mark, target)
        if reading is None:
            reading = Reading(self.table.energy_j(latency_s, 0.0), Method.MODELLED, self.table.source, latency_s)
        return self.outcome(reading, latency_s, accuracy, transfer, said)

    def outcome(
        self,
        reading: Reading,
        latency_s: float,
        accuracy: float | None = None,
        transfer: Transfer | None = None,
        said: RemoteCost = NOTHING_SAID,
    ) -> Outcome:
        """The outcome of what a meter read; arguments as for :meth:`end`."""
        energy_j = reading.energy_j + (self.radio_j(transfer, latency_s) if transfer is not None else 0.0)
        moved_bytes = transfer.sent_bytes + transfer.received_bytes if transfer is not None else 0
        spent = self._carbon.grams(energy_j, latency_s, moved_bytes, 0.0, 0.0)
        methods = self._methods(reading.method, accuracy is not None, transfer is not None)
        here = Outcome(
            latency_s, Split(energy_j, spent.network_j), spent.operational_g, spent.embodied_g, accuracy, methods
        )
        return here if said is NOTHING_SAID else _with_said(here, said)

    def radio_j(self, transfer: Transfer, longest_s: float) -> float:
        """The radio's energy; it cannot have sent for longer than the query lasted, however poor the estimate."""
        slowest_bps = 8.0 * max(transfer.sent_bytes, transfer.received_bytes, 1) / max(longest_s, 1e-6)
        return self.table.radio_j(
            transfer.sent_bytes,
            transfer.received_bytes,
            max(transfer.uplink_bps, slowest_bps),
            max(transfer.downlink_bps, slowest_bps),
            transfer.rssi_dbm,
        )

    def carbon_g(self, energy_j: float, latency_s: float, moved_bytes: int = 0) -> float:
        """Grams of CO2e of this device and of the network, operational and embodied."""
        spent = self._carbon.grams(energy_j, latency_s, moved_bytes, 0.0, 0.0)
        return spent.operational_g.total + spent.embodied_g.total

    def _methods(self, energy: Method, has_accuracy: bool, has_transfer: bool) -> Mapping[str, Method]:
        """Figure to how it is known; what was not spent at all has no method."""
        key = (energy, has_accuracy, has_transfer)
        if key not in self._known:
            methods = {
                **self._carbon_methods,
                "latency_s": Method.MEASURED,
                "accuracy": Method.MEASURED,
                "energy_j.device": energy,
                "energy_j.network": Method.DEFAULT,
            }
            unknown = {"accuracy"} if not has_accuracy else set()
            unspent = set() if has_transfer else {name for name in methods if name.endswith(".network")}
            self._known[key] = MappingProxyType({n: m for n, m in methods.items() if n not in unknown | unspent})
        return self._known[key]


def carbon_account(table: ModelledMeter, intensity_g_per_kwh: float) -> CarbonAccount:
    """The grams of a device with this power table, charged at this intensity, on Wi-Fi.

    What a byte takes of the network is the marginal figure: it is what a decision changes.
    """
    at = Range.exactly(intensity_g_per_kwh)
    grid = Intensity.of(at, "average", "as given to the session", 0.0, Method.DEFAULT)
    phone = Machine(grid, device_footprint(table.profile).g_per_s())
    return CarbonAccount(phone, load_network_share("fixed", "marginal"))


def _with_said(here: Outcome, said: RemoteCost) -> Outcome:
    """The outcome with what the far machine says of itself; what it leaves out counts as 0 and has no method."""
    figures = {
        "energy_j.remote": said.energy_j,
        "carbon_operational_g.remote": said.carbon_operational_g,
        "carbon_embodied_g.remote": said.carbon_embodied_g,
    }
    return replace(
        here,
        energy_j=here.energy_j + Split(remote=said.energy_j or 0.0),
        carbon_operational_g=here.carbon_operational_g + Split(remote=said.carbon_operational_g or 0.0),
        carbon_embodied_g=here.carbon_embodied_g + Split(remote=said.carbon_embodied_g or 0.0),
        methods={**here.methods, **{name: said.method for name, value in figures.items() if value is not None}},
    )
