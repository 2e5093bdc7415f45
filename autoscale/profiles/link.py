"""A link between a device and the machines it may use, as its file describes it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from autoscale.arrays import Floats
from autoscale.errors import ProfileError, one_of
from autoscale.profiles.device import check_name
from autoscale.profiles.figure import Figure
from autoscale.profiles.radio import Radio, radio_from
from autoscale.profiles.reader import Facts
from autoscale.profiles.schema import RADIOS

SIGNALS: Final = ("rssi", "rsrp")

USUAL_DBM: Final = {"rssi": -55.0, "rsrp": -85.0}
"""A regular signal, by what the dBm of a link mean: of the whole channel, or of one reference signal."""


@dataclass(frozen=True, slots=True)
class LinkProfile:
    """A link.

    Attributes:
        name: the name it is loaded by.
        title: what people call it.
        radio_name: which of a device's radios it uses: ``wifi``, ``lte`` or ``5g``.
        signal: what its dBm mean: ``rssi`` (whole channel) or ``rsrp`` (one reference signal).
        rssi_dbm: signal levels, rising, shape (levels,).
        downlink_levels_bps: the middle rate to the device at those levels.
        uplink_levels_bps: likewise from it.
        spread: standard deviation of the rate at a level, as a fraction of its middle.
        round_trip_s: of an empty message over the radio hop and to a near server, radio awake.
        jitter_s: its standard deviation.
        promotion_s: how much longer the first message takes when the radio rests.
        radio: what a radio of this kind draws, for devices whose own was not measured.
        figures: dotted key to the figure with its source.
    """

    name: str
    title: str
    radio_name: str
    signal: str
    rssi_dbm: Floats
    downlink_levels_bps: Floats
    uplink_levels_bps: Floats
    spread: float
    round_trip_s: float
    jitter_s: float
    promotion_s: float
    radio: Radio
    figures: Mapping[str, Figure]

    def downlink_bps(self, rssi_dbm: float | Floats) -> Floats:
        """The middle rate to the device at a signal, in bit/s; the shape of the argument."""
        return np.asarray(np.interp(rssi_dbm, self.rssi_dbm, self.downlink_levels_bps))

    def uplink_bps(self, rssi_dbm: float | Floats) -> Floats:
        """The middle rate from the device at a signal, in bit/s; the shape of the argument."""
        return np.asarray(np.interp(rssi_dbm, self.rssi_dbm, self.uplink_levels_bps))

    def source_of(self, key: str) -> Figure:
        """A figure with its unit, source, method and range.

        Raises:
            UnknownName: the file holds no such key, as in ``rate.uplink_mbps``.
        """
        one_of(f"figure of {self.name}", key, self.figures)
        return self.figures[key]


def link_from(facts: Facts) -> LinkProfile:
    """The link that a file describes.

    Raises:
        ProfileError: a radio or signal that does not exist, or a name that is not the file's.
    """
    check_name(facts)
    one_of(f"radio_name in {facts.path}:", str(facts.texts["radio_name"]), RADIOS, ProfileError)
    one_of(f"signal in {facts.path}:", str(facts.texts["signal"]), SIGNALS, ProfileError)
    return LinkProfile(
        facts.texts["name"],
        facts.texts["title"],
        facts.texts["radio_name"],
        facts.texts["signal"],
        facts.array("rate.rssi_dbm"),
        facts.array("rate.downlink_mbps") * 1e6,
        facts.array("rate.uplink_mbps") * 1e6,
        facts.number("rate.spread_ratio"),
        facts.number("delay.round_trip_s"),
        facts.number("delay.jitter_s"),
        facts.number("delay.promotion_s"),
        radio_from(facts, "radio"),
        facts.figures,
    )
