"""What a radio draws above the idle device, by signal and by throughput."""

from dataclasses import dataclass
from typing import overload

import numpy as np
import numpy.typing as npt

from autoscale.profiles.reader import Facts, Floats


@dataclass(frozen=True, slots=True)
class Radio:
    """One radio: power while sending and receiving is a base, by signal, plus a slope on the rate.

    The form is that of Huang et al. (MobiSys 2012) for cellular and Serrano et al. (IEEE/ACM ToN 2015) for
    802.11; all powers are above the idle device.

    Attributes:
        rssi_dbm: signal levels, rising, shape (levels,): RSSI for Wi-Fi, RSRP for cellular radios.
        tx_base_w: power while sending at those levels and a rate near 0.
        rx_base_w: likewise while receiving.
        tx_w_per_bps: more power for each bit/s sent.
        rx_w_per_bps: likewise received.
        idle_w: connected, nothing moving.
        tail_w: after a transfer, until the radio rests.
        tail_s: how long that lasts.
    """

    rssi_dbm: Floats
    tx_base_w: Floats
    rx_base_w: Floats
    tx_w_per_bps: float
    rx_w_per_bps: float
    idle_w: float
    tail_w: float
    tail_s: float

    @overload
    def tx_w(self, rate_bps: float, rssi_dbm: float | None = None) -> float: ...
    @overload
    def tx_w(self, rate_bps: Floats, rssi_dbm: Floats | float | None = None) -> Floats: ...
    def tx_w(self, rate_bps: float | Floats, rssi_dbm: float | Floats | None = None) -> float | Floats:
        """Watts above idle while sending.

        Args:
            rate_bps: bit/s, one or an array.
            rssi_dbm: signal, one or an array that broadcasts with the rate; None takes the strongest.
        """
        return _power(self.rssi_dbm, self.tx_base_w, self.tx_w_per_bps, rate_bps, rssi_dbm)

    @overload
    def rx_w(self, rate_bps: float, rssi_dbm: float | None = None) -> float: ...
    @overload
    def rx_w(self, rate_bps: Floats, rssi_dbm: Floats | float | None = None) -> Floats: ...
    def rx_w(self, rate_bps: float | Floats, rssi_dbm: float | Floats | None = None) -> float | Floats:
        """Watts above idle while receiving; arguments as for ``tx_w``."""
        return _power(self.rssi_dbm, self.rx_base_w, self.rx_w_per_bps, rate_bps, rssi_dbm)


def _power(
    levels: Floats,
    base: Floats,
    slope: float,
    rate_bps: float | npt.NDArray[np.float64],
    rssi_dbm: float | npt.NDArray[np.float64] | None,
) -> float | Floats:
    signal = levels[-1] if rssi_dbm is None else rssi_dbm
    power = np.interp(signal, levels, base) + slope * np.asarray(rate_bps)
    return float(power) if np.ndim(power) == 0 else power


def radio_from(facts: Facts, table: str) -> Radio:
    """The radio that a table of a file describes."""
    return Radio(
        facts.array(f"{table}.rssi_dbm"),
        facts.array(f"{table}.tx_w"),
        facts.array(f"{table}.rx_w"),
        facts.number(f"{table}.tx_w_per_mbps") / 1e6,
        facts.number(f"{table}.rx_w_per_mbps") / 1e6,
        facts.number(f"{table}.idle_w"),
        facts.number(f"{table}.tail_w"),
        facts.number(f"{table}.tail_s"),
    )
