"""What a query costs: joules of this device by its meter, what the far machine says of itself, and grams of CO2e."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from autoscale.carbon import embodied_g, operational_g
from autoscale.outcome import Method, Outcome, Split
from autoscale.target import Target
from autoscale_runtime.backends.base import RemoteCost
from autoscale_runtime.meters.base import Mark, Meter
from autoscale_runtime.meters.modelled import ModelledMeter

WORLD_INTENSITY_G_PER_KWH: Final = 475.0
"""The world's average grid (IEA, Global Energy and CO2 Status Report 2019), where the caller names no other."""

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

    Args:
        meter: tells this device's energy in a window.
        table: the power table, for forecasts and for the radio, which no meter sees by itself.
        intensity_g_per_kwh: carbon intensity where the device was charged.
    """

    def __init__(self, meter: Meter, table: ModelledMeter, intensity_g_per_kwh: float) -> None:
        self.table = table
        self.begin = meter.begin
        self._end = meter.end
        self._intensity_g_per_kwh = intensity_g_per_kwh
        self._here: dict[tuple[Method, bool], Mapping[str, Method]] = {}

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
        modelled_j = self.table.energy_j(latency_s, 0.0) if reading is None else reading.energy_j
        energy_j = modelled_j + (self.radio_j(transfer, latency_s) if transfer is not None else 0.0)
        operational, embodied = self.carbon_g(energy_j, latency_s)
        methods = self._methods(Method.MODELLED if reading is None else reading.method, accuracy is not None)
        if said is NOTHING_SAID:
            return Outcome(latency_s, Split(energy_j), Split(operational), Split(embodied), accuracy, methods)
        return Outcome(
            latency_s,
            Split(energy_j, remote=said.energy_j or 0.0),
            Split(operational, remote=said.carbon_operational_g or 0.0),
            Split(embodied, remote=said.carbon_embodied_g or 0.0),
            accuracy,
            {**methods, **_said_methods(said)},
        )

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

    def carbon_g(self, energy_j: float, latency_s: float) -> tuple[float, float]:
        """Grams of CO2e of this device: operational, and embodied for the time it was held."""
        making = self.table.profile.embodied
        return (
            operational_g(energy_j, self._intensity_g_per_kwh),
            embodied_g(making.total_kg, latency_s, making.lifetime_s),
        )

    def _methods(self, energy: Method, accuracy: bool) -> Mapping[str, Method]:
        key = (energy, accuracy)
        if key not in self._here:
            methods = {
                "latency_s": Method.MEASURED,
                "energy_j.device": energy,
                "carbon_operational_g.device": Method.MODELLED,
                "carbon_embodied_g.device": Method.MODELLED,
            }
            self._here[key] = MappingProxyType(methods | ({"accuracy": Method.MEASURED} if accuracy else {}))
        return self._here[key]


def _said_methods(said: RemoteCost) -> dict[str, Method]:
    figures = {
        "energy_j.remote": said.energy_j,
        "carbon_operational_g.remote": said.carbon_operational_g,
        "carbon_embodied_g.remote": said.carbon_embodied_g,
    }
    return {name: said.method for name, value in figures.items() if value is not None}
