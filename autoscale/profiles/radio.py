"""What a radio draws above the idle device, by signal and by throughput."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from autoscale.arrays import Floats
from autoscale.profiles.figure import Figure
from autoscale.profiles.reader import Facts


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

    def tx_base_at(self, rssi_dbm: float | Floats) -> Floats:
        """``tx_base_w`` at a signal, in the shape of the argument."""
        return np.asarray(np.interp(rssi_dbm, self.rssi_dbm, self.tx_base_w))

    def rx_base_at(self, rssi_dbm: float | Floats) -> Floats:
        """``rx_base_w`` at a signal, in the shape of the argument."""
        return np.asarray(np.interp(rssi_dbm, self.rssi_dbm, self.rx_base_w))


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


def radio_at(figures: Mapping[str, Figure], table: str, end: str) -> Radio:
    """The radio at one end of what its figures may be: ``low``, ``mid`` or ``high``.

    Args:
        figures: of the device or link that has it.
        table: where it stands there, as in ``radios.wifi``.
        end: a figure without a range is the same at every end.
    """
    own = {key: each for key, each in figures.items() if key.startswith(f"{table}.")}
    ends = {key: {"low": each.low, "mid": each.value, "high": each.high}[end] for key, each in own.items()}
    at = {key: replace(each, value=each.value if (value := ends[key]) is None else value) for key, each in own.items()}
    return radio_from(Facts(Path(), {}, at), table)
