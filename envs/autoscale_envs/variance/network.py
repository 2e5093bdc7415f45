"""Signals, rates and round trips of the two links, and the radio's power on them.

The signal is Gaussian or Gauss-Markov around the scenario's level. The rate at a signal is the link profile's, times a
slow lognormal process of the profile's spread. What of that a device can sense is in the observation; what it cannot
(each query's jitter of the round trip) is not. A trace replaces the rates, round trips and signals it knows.
"""

import math
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from autoscale.arrays import Floats, Indices, Numbers
from autoscale.physics.radio import airtime_s, moving_j, per_bit_j
from autoscale.profiles import LinkProfile, Radio
from autoscale.profiles.link_trace import LinkTrace
from autoscale.query.model_profile import ModelProfile
from autoscale_envs.variance.processes import Flags
from autoscale_envs.variance.scenarios import LEVELS_DBM, Signal

STEPS_PER_DB: Final = 8
"""Signals are looked up in steps of an eighth of a decibel."""
LOWEST_DBM: Final = -130.0
HIGHEST_DBM: Final = -30.0
RATE_MEMORY_S: Final = 10.0
SLOWEST_BPS: Final = 1e3
"""Below this a link is down; a query that is sent anyway takes as long as at this rate."""


@dataclass(frozen=True)
class LinkPath:
    """A link with the device's radio on it, as tables over the signal.

    Attributes:
        link: the profile.
        levels: uplink and downlink rate (bit/s), sending and receiving power (W, before the slope on the rate), shape
            (4, steps).
        loads: bytes sent, bytes received, joules of the slope on the rate for both and for what is sent alone, for each
            network, shape (4, networks).
    """

    link: LinkProfile
    levels: Floats
    loads: Floats

    def level_of(self, rssi_dbm: Floats) -> Indices:
        """The table's step at a signal; those beyond its ends are to be clipped."""
        level: Indices = (rssi_dbm * STEPS_PER_DB + (0.5 - LOWEST_DBM * STEPS_PER_DB)).astype(np.intp)
        return level


@dataclass(frozen=True, slots=True)
class Passage:
    """What moving each query of a block over a link takes; shapes (queries, n), or what broadcasts to them.

    Attributes:
        move_s: the radio sends or receives.
        move_j: what it draws for that above the idle device.
        round_trip_s: of an empty message, on average at this moment.
        rssi_dbm: signal, to the whole dBm that a radio reports.
        uplink_bps: rate from the device.
        downlink_bps: rate to it.
        is_up: False in an outage; one flag for all where there is none.
        send_s: of ``move_s`` what is sending; None where nobody asks.
        send_j: of ``move_j``, likewise.
    """

    move_s: Floats
    move_j: Floats
    round_trip_s: Floats
    rssi_dbm: Floats
    uplink_bps: Floats
    downlink_bps: Floats
    is_up: Numbers
    send_s: Floats | None = None
    send_j: Floats | None = None


@dataclass(frozen=True, slots=True)
class Conditions:
    """What a link is like for each query of a block.

    Attributes:
        rssi_dbm: signal, shape (queries, n).
        rate_factor: on the middle rate at that signal, shape (queries, n).
        round_trip_factor: on the profile's, shape (n,).
        radio_factor: on the radio's power, shape (n,).
    """

    rssi_dbm: Floats
    rate_factor: Floats
    round_trip_factor: Floats
    radio_factor: Floats


def make_path(link: LinkProfile, radio: Radio, networks: tuple[ModelProfile, ...]) -> LinkPath:
    """The link's tables for a device's radio and some networks."""
    steps = round((HIGHEST_DBM - LOWEST_DBM) * STEPS_PER_DB) + 1
    signal = np.linspace(LOWEST_DBM, HIGHEST_DBM, steps)
    rates_bps = [np.maximum(rate, SLOWEST_BPS) for rate in (link.uplink_bps(signal), link.downlink_bps(signal))]
    levels = np.stack([*rates_bps, radio.tx_base_at(signal), radio.rx_base_at(signal)])
    sent, received = np.array([[each.input_bytes, each.output_bytes] for each in networks], dtype=np.float64).T
    bits_j = [per_bit_j(radio, sent, each) for each in (received, np.zeros_like(received))]
    return LinkPath(link, levels, np.vstack([sent, received, *bits_j]))


def signal_dbm(link: LinkProfile, signal: Signal, straying: Floats) -> Floats:
    """The signal around its scenario's level, in the shape of the standard normal process ``straying``."""
    return np.asarray(LEVELS_DBM[link.signal][signal.level] + signal.sd_db * straying)


def rate_factor(link: LinkProfile, straying: Floats) -> Floats:
    """The rate as a factor of the middle one: lognormal with median 1 and the profile's spread."""
    return np.asarray(np.exp(math.sqrt(math.log1p(link.spread**2)) * straying))


def lateness(uniforms: Floats) -> Floats:
    """How late a message is beside others: exponential above a floor, mean 0."""
    return -np.log(1.0 - uniforms) - 1.0  # as ``workload.gaps``


def jitter(link: LinkProfile, lateness: Floats) -> Floats:
    """What one message's round trip is off the mean, as a fraction of it."""
    spread = min(link.jitter_s / link.round_trip_s, 1.0) if link.round_trip_s > 0.0 else 0.0
    return spread * lateness


def passage(
    path: LinkPath,
    conditions: Conditions,
    network: Indices,
    trace: LinkTrace | None = None,
    at: Indices | None = None,
    up: Flags | None = None,
    *,
    parts: bool = False,
) -> Passage:
    """What moving each query takes.

    Args:
        path: the link.
        conditions: what it is like.
        network: whose query it is, shape (queries, n).
        trace: replaces what it knows of rates, round trips and signals.
        at: the trace's sample at each query (-1: past its end), shape (queries, n).
        up: whether the link is, likewise; None where it never fails.
        parts: whether to tell what of it is sending.
    """
    round_trip_s = path.link.round_trip_s * conditions.round_trip_factor
    rssi_dbm, is_up = conditions.rssi_dbm, np.array(True)
    if trace is not None and at is not None:
        rssi_dbm = _known(trace.rssi_dbm[at], rssi_dbm)
        round_trip_s = _known(trace.round_trip_s[at], round_trip_s)
    level = path.level_of(rssi_dbm)
    # Row by row: arrays above 128 KiB would be fresh pages of the system's each time.
    kind = conditions.rate_factor.dtype
    up_bps, down_bps, tx_w, rx_w = (row.take(level, mode="clip") for row in path.levels.astype(kind, copy=False))
    up_bps, down_bps = up_bps * conditions.rate_factor, down_bps * conditions.rate_factor
    if trace is not None and at is not None:
        rate_bps = np.where(at < 0, 0.0, trace.rate_bps[at]).astype(kind)
        is_up = rate_bps > SLOWEST_BPS
        up_bps = down_bps = np.maximum(rate_bps, SLOWEST_BPS)
    if up is not None:
        is_up = is_up & up
        up_bps, down_bps = np.where(up, up_bps, SLOWEST_BPS), np.where(up, down_bps, SLOWEST_BPS)
    loads = path.loads.astype(kind, copy=False)
    sent_bytes, received_bytes, bits_j = (row.take(network) for row in loads[:3])
    send_s, receive_s = airtime_s(sent_bytes, up_bps), airtime_s(received_bytes, down_bps)
    move_j = moving_j(tx_w, send_s, rx_w, receive_s, bits_j) * conditions.radio_factor
    moving = Passage(send_s + receive_s, move_j, round_trip_s, np.rint(rssi_dbm), up_bps, down_bps, is_up)
    if not parts:
        return moving
    none = np.zeros_like(receive_s)
    send_j = moving_j(tx_w, send_s, rx_w, none, loads[3].take(network)) * conditions.radio_factor
    return replace(moving, send_s=send_s, send_j=send_j)


def _known(traced: Floats, otherwise: Floats) -> Floats:
    return np.where(np.isnan(traced), otherwise, traced)
